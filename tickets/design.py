"""The look of tickets: layout, template, brand and fonts. A folder of the venue may replace each of them.

    brand.toml            name, colours, a family of fonts; see Brand
    logo.svg, logo.png    instead of the name
    fonts/                more fonts: .ttf, .otf, .ttc
    ticket.typ            the template itself

What the folder lacks is as it is packaged. It is read once.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typst

TicketLayout = Literal["a6", "a4", "booking"]
"""One page for each seat; four seats on a page; ten seats on a page, with what they share said once."""

LOGOS = ("logo.svg", "logo.png", "logo.jpg")
FONT_PACKAGES = {
    "fontpkg_noto_sans": "Noto Sans",
    "fontpkg_noto_sans_devanagari": "Noto Sans Devanagari",
    "fontpkg_noto_sans_arabic": "Noto Sans Arabic",
    "fontpkg_heebo": "Heebo",
    "fontpkg_hind_siliguri": "Hind Siliguri",
    "fontpkg_noto_sans_khmer": "Noto Sans Khmer",
    "fontpkg_noto_sans_tamil": "Noto Sans Tamil",
    "fontpkg_noto_sans_telugu": "Noto Sans Telugu",
    "fontpkg_noto_sans_thai": "Noto Sans Thai",
}
"""The packages of fonts that are installed with Aisle, and the families in them, in the order of their use."""

_Colour = Annotated[str, msgspec.Meta(pattern="^#[0-9a-fA-F]{6}$")]


class DesignError(Exception):
    """A folder that cannot be used. The message names the file at fault and what is wanted."""


class Brand(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `brand.toml` may have: `name = "Astoria"`, `accent = "#f2b33d"`."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=30)] = "Aisle"
    ink: _Colour = "#10182b"
    """Text, and the dark head."""
    paper: _Colour = "#ffffff"
    """The title on the dark head."""
    accent: _Colour = "#f2b33d"
    quiet: _Colour = "#5c6675"
    line: _Colour = "#c9cfda"
    font: str = ""
    """A family of fonts that is used first; the packaged ones have the letters that it lacks."""


class Design(msgspec.Struct, frozen=True, kw_only=True):
    """A design that was read. Equal designs print equal tickets."""

    layout: TicketLayout = "a6"
    brand: Brand = Brand()
    template: Path
    """A file of Typst that has the function `tickets(data)`."""
    folder: Path | None = None
    logo: str = ""
    """The path of the logo."""
    system_fonts: bool = True
    """Whether letters that no other font has may come from fonts of the machine."""
    digest: bytes
    """Of all files of the design, and the versions of what typesets."""

    @property
    def families(self) -> tuple[str, ...]:
        """The families of fonts, in the order of their use."""
        return (*filter(None, [self.brand.font]), *FONT_PACKAGES.values())

    def fonts(self) -> typst.Fonts:
        """The fonts. Finding them takes a few milliseconds."""
        folders = [str(files(package) / "files") for package in FONT_PACKAGES]
        if self.folder is not None and (self.folder / "fonts").is_dir():
            folders.append(str(self.folder / "fonts"))
        return typst.Fonts(
            include_system_fonts=self.system_fonts, include_embedded_fonts=False, font_paths=folders
        )


@cache
def packaged_design(layout: TicketLayout = "a6") -> Design:
    """The design without a folder."""
    return read_design(None, layout)


def read_design(folder: Path | None, layout: TicketLayout, *, system_fonts: bool = True) -> Design:
    """The design in a folder, or the packaged one. Raises DesignError."""
    template = Path(str(files(__package__) / "ticket.typ")).absolute()
    digest = hashlib.sha256(" ".join(version(name) for name in ("typst", "zxing-cpp")).encode())
    brand, logo = Brand(), ""
    if folder is not None:
        folder = folder.absolute()
        if not folder.is_dir():
            raise DesignError(f"{folder} is not a folder")
        try:
            if (folder / "ticket.typ").exists():
                template = folder / "ticket.typ"
            if (folder / "brand.toml").exists():
                brand = _read_brand((folder / "brand.toml").read_text())
            logo = next((str(folder / name) for name in LOGOS if (folder / name).exists()), "")
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                digest.update(path.read_bytes())
        except OSError as error:
            raise DesignError(f"{error.filename}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise DesignError(f"{folder / 'brand.toml'}: text in UTF-8 is wanted") from None
    digest.update(layout.encode() + template.read_bytes())
    return Design(
        layout=layout,
        brand=brand,
        template=template,
        folder=folder,
        logo=logo,
        system_fonts=system_fonts,
        digest=digest.digest(),
    )


def _read_brand(text: str) -> Brand:
    try:
        return msgspec.convert(tomllib.loads(text), Brand)
    except tomllib.TOMLDecodeError as error:
        raise DesignError(f"brand.toml: {error}") from None
    except msgspec.ValidationError as error:
        problem = re.sub(r"matching regex '.*'", "such as '#f2b33d'", str(error))
        raise DesignError(f"brand.toml: {problem}") from None
