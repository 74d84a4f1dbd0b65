"""Bundles: modules run once and in order, forms that are not understood are refused, minifying changes no syntax."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import rjsmin

from gateway import site
from gateway.site.assets import load_assets
from gateway.site.bundles import BundleError, bundle

_TEMPLATES = Path(site.__file__).parent / "templates"
_USER = 'import { a } from "./a.js";\n'

# Node.js parses with its own copy of acorn: positions aside, both texts of a pair must be the same tree.
_COMPARE = """
const acorn = require("internal/deps/acorn/acorn/dist/acorn");
const tree = (text) =>
  JSON.stringify(acorn.parse(text, { ecmaVersion: "latest", sourceType: "module" }), (key, value) =>
    key === "start" || key === "end" ? undefined : value instanceof RegExp ? String(value) : value);
const differing = [];
for (const [path, [text, other]] of Object.entries(JSON.parse(require("fs").readFileSync(0, "utf8"))))
  if (tree(text) !== tree(other)) differing.push(path);
console.log(JSON.stringify(differing));
"""


def node(*arguments: str, given: str = "") -> str:
    """What Node.js prints."""
    if shutil.which("node") is None:
        pytest.skip("tests of the site's JavaScript did not run: there is no node")
    ran = subprocess.run(
        ["node", *arguments], input=given, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def differing(texts: dict[str, tuple[str, str]]) -> list[str]:
    found: list[str] = json.loads(node("--expose-internals", "--eval", _COMPARE, given=json.dumps(texts)))
    return found


def bundled(*entries: str, **sources: str) -> str:
    """The bundle of modules that are named without `js/` and `.js`."""
    files = {f"js/{name}.js": text.encode() for name, text in sources.items()}
    return bundle([f"js/{name}.js" for name in entries], files)


def run(text: str) -> list[str]:
    return node("--input-type=module", given=text).split()


def test_modules_run_once_after_those_they_import() -> None:
    made = bundled(
        "page",
        "second",
        page='import "./effect.js";\nimport {\n  b,\n  Two,\n} from "./b.js";\nconsole.log(b(), new Two().n);',
        second='import { a } from "./a.js";\nconsole.log("second", a);',
        effect='console.log("effect");',
        b='import { a } from "./a.js";\nexport function b() {\n  return a + 1;\n}\nexport class Two {\n  n = 2;\n}\n',
        a='console.log("a");\nconst a = 1;\nexport { a };\n',
    )
    assert run(made) == ["effect", "a", "2", "2", "second", "1"]


def test_what_awaits_is_waited_for_by_those_that_import_it_only() -> None:
    made = bundled(
        "page",
        "second",
        page='import { a } from "./a.js";\nconsole.log(a);\nawait new Promise((done) => setTimeout(done, 20));\n'
        'console.log("late");',
        second='console.log("second");',
        a='export const a = await new Promise((done) => setTimeout(done, 5, "a"));',
    )
    assert run(made) == ["a", "second", "late"]


def test_names_of_modules_do_not_meet() -> None:
    made = bundled(
        "page",
        page='import { a } from "./a.js";\nimport { b } from "./b.js";\nconst own = 0;\nconsole.log(own, a, b);',
        a="const own = 1;\nexport const a = own;",
        b="const own = 2, modules = 3;\nexport const b = own + modules;",
    )
    assert run(made) == ["0", "1", "5"]


def test_a_page_that_fails_leaves_the_others_running() -> None:
    made = bundled("page", "second", page='throw new Error("no");', second='console.log("second");')
    assert run(f'process.on("unhandledRejection", () => console.log("failed"));\n{made}') == [
        "second",
        "failed",
    ]


def test_a_bundle_exports_its_modules() -> None:
    made = bundled("page", page=_USER, a="export const a = 1;").replace("export {", "console.log(")
    made = made.replace("as modules };", '["js/a.js"].a);')
    assert run(made) == ["1"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("export default 1;", "export default 1;"),
        ("export let a = 1;", "export let a = 1;"),
        ("export var a = 1;", "export var a = 1;"),
        ("let b = 2,\n  a = 1;\nexport { a };", "the variable a"),
        ("const b = 1;\nexport { b as a };", "b as a"),
        ('export * from "./c.js";', "export *"),
        ('export { a } from "./c.js";', "export { a } from"),
        ("export const { a } = {};", "export const { a }"),
        ('import c from "./c.js";\nexport const a = c;', "import c from"),
        ('import * as c from "./c.js";\nexport const a = c;', r"import \* as"),
        ('import { c as a } from "./c.js";\nexport { a };', "c as a"),
        ('import { a } from "c";\nexport { a };', 'from "c"'),
        ("if (1) {\n  export const a = 1;\n}", "export const a"),
        ('const a = await import("./c.js");\nexport { a };', "await import"),
        ("export const a = import.meta.url;", "import.meta"),
        ("export const a = $modules;", r"\$modules"),
        ("export const a = 1;\nexport const then = 2;", "then"),
        ("export const b = 1;", "imports a, which js/a.js does not export"),
        ('import { d } from "./d.js";\nexport const a = d;', "js/d.js, which does not exist"),
        ('import "./page.js";\nexport const a = 1;', "js/page.js imports js/a.js imports js/page.js"),
    ],
)
def test_other_forms_are_refused(text: str, says: str) -> None:
    with pytest.raises(BundleError, match=says):
        bundled("page", page=_USER, a=text, c="export const c = 1;\nexport const a = 1;")


def test_what_a_module_imports_while_it_runs_stands_beside_the_bundles_folder() -> None:
    files = {"js/deep/a.js": b"export const a = await import(`../words/${lang}.js`);"}
    with pytest.raises(BundleError, match="await import"):
        bundle(files, files)
    bundle(["js/a.js"], {"js/a.js": files["js/deep/a.js"]})


def test_comments_may_say_anything() -> None:
    text = '/**\n * @param {import("./x.js").X} x\n */\n// export default\nexport const a = 1;\n// the end'
    assert "default" not in bundled("a", a=text)


def test_every_page_has_its_bundle_and_every_module_a_page() -> None:
    assets = load_assets()
    made = {path for path in assets.paths() if path.startswith("pages/")}
    named = {
        path
        for template in _TEMPLATES.glob("*.html")
        for path in re.findall(r"pages/\w+\.js", template.read_text(encoding="utf-8"))
    }
    assert named == made
    inside = {
        name for path in made for name in re.findall(r"(?m)^// (js/.*)$", assets.content(path).decode())
    }
    assert inside == {path for path in assets.paths() if path.startswith("js/")}


def test_bundles_are_javascript_and_minifying_changes_none_of_it() -> None:
    assets = load_assets()
    texts = {path: assets.content(path).decode() for path in assets.paths() if path.endswith(".js")}
    assert differing({"changed": ("f(`a  b`)", "f(`a b`)"), "same": ("f( 1 )", "f(1)")}) == ["changed"]
    pairs = {path: (text, rjsmin.jsmin(text)) for path, text in texts.items() if path.startswith("js/")}
    bundles = {path: (text, text) for path, text in texts.items() if path.startswith("pages/")}
    assert differing(pairs | bundles) == []
