"""Scripts that tickets can be printed in: those for which there is a font. Titles and names may be in any."""

from __future__ import annotations

import re

import msgspec
import typst

from tickets.design import Design

SAMPLES = {
    "Latin": "Aếß",
    "Greek": "Ωά",
    "Cyrillic": "Жї",
    "Arabic": "بپ",
    "Armenian": "Հ",
    "Bengali": "ত",
    "Chinese": "席伟",
    "Devanagari": "क्ष",
    "Emoji": "🎭",
    "Ethiopic": "አ",
    "Georgian": "ს",
    "Gujarati": "ગ",
    "Gurmukhi": "ਗ",
    "Hebrew": "ש",
    "Japanese": "かア",
    "Kannada": "ಕ",
    "Khmer": "ក",
    "Korean": "한",
    "Lao": "ລ",
    "Malayalam": "മ",
    "Myanmar": "မ",
    "Sinhala": "ක",
    "Tamil": "த",
    "Telugu": "త",
    "Thai": "พี่",
    "Tibetan": "ཀ",
}
"""Letters by which a font for a script is recognised."""

PACKAGED = frozenset(
    {
        "Latin", "Greek", "Cyrillic", "Arabic", "Bengali", "Devanagari", "Hebrew", "Khmer", "Tamil", "Telugu", "Thai"
    }
)  # fmt: skip
"""Scripts of the fonts that are installed with Aisle."""

_NO_CHARACTER = "\U0010ffff"
"""No font has it: it is drawn as `.notdef`."""
_GLYPH = re.compile(rb'href="#(g[0-9A-F]+)"')
_PAGES = b"""\
#let data = json(bytes(sys.inputs.data))
#set page(width: 40mm, height: 20mm)
#set text(font: data.fonts)
#data.texts.map(it => [#it]).join(pagebreak())
"""


def missing_scripts(design: Design) -> list[str]:
    """The scripts that the fonts lack, by name. CPU-bound, 50 ms or more: call it in a thread."""
    missing = unprintable(list(SAMPLES.values()), design)
    return sorted(script for script, lacks in zip(SAMPLES, missing, strict=True) if lacks)


def unprintable(texts: list[str], design: Design) -> list[bool]:
    """Of each text, whether some of it would be printed as boxes. None may be empty."""
    data = msgspec.json.encode({"fonts": design.families, "texts": [_NO_CHARACTER, *texts]}).decode()
    pages = typst.Compiler(font_paths=design.fonts()).compile(_PAGES, format="svg", sys_inputs={"data": data})
    assert isinstance(pages, list)
    # A box is the .notdef of the font tried first or of the one that has the letters around it.
    boxes, *drawn = (set(_GLYPH.findall(page)) for page in pages)
    return [bool(glyphs & boxes) or not glyphs for glyphs in drawn]
