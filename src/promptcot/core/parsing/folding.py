"""Folds letters that look alike into one, so that texts are compared by their appearance.

Decides which characters are equal: compatibility forms and case as in Unicode, without accents and invisible
characters, and a table of letters from other scripts that look like Latin ones. The folded form is only for comparing:
`m` becomes `rn`, and `l` and `1` become `i`.
"""

from __future__ import annotations

import re
import unicodedata

# A Latin letter and the letters that look like it. Capitals are separate if they look like another letter than their
# small form does. The choice follows confusables.txt of Unicode Technical Standard 39, for scripts in common use.
_ALIKE = """
a аɑαᴀаꓮᎪա⍺ b ьвᴃʙβꓐᏴ c сᴄϲꓚᏟᴐ d ԁɗᴅđꓒᎠժ e еєᴇεɛəꓰᎬҽ f ꜰƒꓝϝ g ɡɢԍġցꓖᏀ h һհʜħнꓧᎻ i іıɩɪιɨӏǀꓲᎥ j јϳȷᴊյꓙᎫ
k кᴋκꓗᏦ l ʟłꓡᏞւ m мᴍꓟᎷʍ n пɴηոꓠռᴎ o оᴏοσօøꓳ๐ഠ০०○◯ p рᴘρꓑᏢքþ q ԛգզ r гᴦʀꓣᎡᏒ s ѕꜱꓢᏚʂ
t тᴛτŧꓔᎢ u υᴜսʋꓴц v ѵᴠνꓦᏙ∨ w ѡԝᴡωꓪᎳա x хχ×ꓫ᙮ y уʏγүꓬყ z ᴢζꓜᏃʐ
"""
_CAPITALS = "BВΒ HНΗ NΝ PРΡ YΥҮ XХΧ ZΖ TТΤ KКΚ MМΜ CС AАΑ EЕΕ OОΟ IІΙ SЅ JЈ"
_UNSEEN = frozenset(("Mn", "Me", "Lm", "Cf", "Cs", "Cn", "Co"))
_FILLERS = "\u115f\u1160\u3164\uffa0"  # letters, by their category, and the blank
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_NO_LETTER = re.compile(r"[\W_]+")


def _table() -> dict[int, str]:
    pieces = _ALIKE.split()
    table = {ord(other): letter for letter, others in zip(pieces[::2], pieces[1::2], strict=True) for other in others}
    table |= {ord(other): group[0].lower() for group in _CAPITALS.split() for other in group[1:]}
    for first in (0x1F130, 0x1F150, 0x1F170, 0x1F1E6):  # squared, circled and regional letters
        table |= {first + place: chr(ord("a") + place) for place in range(26)}
    table |= {0xE0000 + code: chr(code) for code in range(0x20, 0x7F)}  # tags: letters that only models see
    return table | {ord(filler): "" for filler in _FILLERS}


_LATIN = _table()
_MERGED = str.maketrans({"l": "i", "1": "i", "0": "o", "3": "e", "4": "a", "5": "s", "7": "t", "m": "rn", "w": "vv"})


def folded(text: str) -> str:
    """The text with all characters that look like Latin letters as small Latin letters; others stay. Never raises."""
    if _NOT_ASCII.search(text):
        text = unicodedata.normalize("NFKD", text.translate(_LATIN)).translate(_LATIN).casefold()
        text = unicodedata.normalize("NFKD", text).translate(_LATIN)
        text = visible(text)
    return text.lower()


def visible(text: str) -> str:
    """The text without invisible characters, and without combining accents."""
    if not _NOT_ASCII.search(text):
        return text
    return text.translate(_SEEN)


class _Seen(dict[int, int | None]):
    """For `str.translate`: removes invisible characters. Categories are looked up once."""

    def __missing__(self, code: int) -> int | None:
        self[code] = None if unicodedata.category(chr(code)) in _UNSEEN else code
        return self[code]


_SEEN = _Seen()


def letters(text: str) -> str:
    """Only the letters and digits of a folded text, with easily confused ones merged."""
    return _NO_LETTER.sub("", folded(text).translate(_MERGED))
