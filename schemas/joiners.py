"""Zero-width joiners and non-joiners in labels: where a script needs one. Pure.

They cannot be seen themselves but change how their neighbours look, so that they are allowed only where they do. The
rules are those of RFC 5892, appendix A.1 and A.2 (internationalised domain names), narrowed to one script:

- after a virama (combining class 9) that follows a letter of its script, as in Devanagari, Sinhala or Malayalam; a
  non-joiner only if a letter of that script comes next;
- a non-joiner between two letters of one cursive script that would be joined otherwise, as in Persian;

and one more: a joiner between a letter and a virama of its script, as in Bengali ra + ya-phala.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

NON_JOINER, JOINER = "\u200c", "\u200d"
JOINERS = frozenset({NON_JOINER, JOINER})

_VIRAMA_CLASS = 9
_MARKS = ("Mn", "Me")

# Joining types D and L, and R, of Unicode 15's ArabicShaping.txt: Arabic, Syriac, N'Ko, Mandaic, Mongolian, Phags-pa
# and Adlam.
_JOINS_NEXT = """
620 626 628 62A-62E 633-63F 641-647 649-64A 66E-66F 678-687 69A-6BF 6C1-6C2 6CC 6CE 6D0-6D1 6FA-6FC 6FF 712-714
71A-71D 71F-727 729 72B 72D-72E 74E-758 75C-76A 76D-770 772 775-777 77A-77F 7CA-7EA 841-845 848 84A-853 855 860
862-865 868 886 889-88D 88F 8A0-8A9 8AF-8B0 8B3-8B8 8BA-8C8 1807 1820-1878 1887-18A8 18AA A840-A872 1E900-1E943
"""
_JOINS_PREVIOUS_ONLY = """
622-625 627 629 62F-632 648 671-673 675-677 688-699 6C0 6C3-6CB 6CD 6CF 6D2-6D3 6D5 6EE-6EF 710 715-719 71E 728 72A
72C 72F 74D 759-75B 76B-76C 771 773-774 778-779 840 846-847 849 854 856-858 867 869-86A 870-882 88E 8AA-8AC 8AE
8B1-8B2 8B9
"""


def _characters(ranges: str) -> Iterator[str]:
    for one in ranges.split():
        first, _, last = one.partition("-")
        yield from map(chr, range(int(first, 16), int(last or first, 16) + 1))


_BEFORE_NON_JOINER = frozenset(_characters(_JOINS_NEXT))
_AFTER_NON_JOINER = (_BEFORE_NON_JOINER - {"\ua872"}) | frozenset(_characters(_JOINS_PREVIOUS_ONLY))


def is_joiner_needed(text: str, at: int) -> bool:
    """Whether the joiner or non-joiner at this index changes how its neighbours look."""
    before, after = text[at - 1 : at], text[at + 1 : at + 2]
    if not before:
        return False
    if unicodedata.combining(before) == _VIRAMA_CLASS:
        return _follows_letter(text, at - 1) and (
            text[at] == JOINER or (_is_letter(after) and _script(after) == _script(before))
        )
    if text[at] == JOINER:
        return (
            bool(after)
            and unicodedata.combining(after) == _VIRAMA_CLASS
            and _is_letter(before)
            and _script(before) == _script(after)
        )
    left, right = _without_marks(text[:at])[-1:], _without_marks(text[at + 1 :])[:1]
    return left in _BEFORE_NON_JOINER and right in _AFTER_NON_JOINER and _script(left) == _script(right)


def _follows_letter(text: str, at: int) -> bool:
    """Whether the mark at this index belongs to a letter of its script."""
    base = _without_marks(text[:at])[-1:]
    return _is_letter(base) and _script(base) == _script(text[at])


def _without_marks(text: str) -> str:
    return "".join([one for one in text if unicodedata.category(one) not in _MARKS])


def _is_letter(character: str) -> bool:
    return bool(character) and unicodedata.category(character) == "Lo"


def _script(character: str) -> str:
    """The first word of a character's name, which names its script."""
    return unicodedata.name(character, "").partition(" ")[0]
