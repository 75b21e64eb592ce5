r"""Values in a sentence without math delimiters: 2^10 subsets, 3√2, x^2 - 3x + 2, (-∞, 2] ∪ (5, ∞), 3:30 p.m.

Decides where such a value begins and ends, and which following words belong to it: "million", units, "or more".
`final_line` decides whether a sentence states a value as the answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from promptcot.core.answers import units
from promptcot.core.answers.normalise import normalise
from promptcot.core.answers.quantities import mixed

_NUMBER = r"(?>\d+(?:,\d+)*)(?:\.\d+)?|\.\d+"
_OF_WORDS = "a-zA-Z\u00c0-\u024f\u0370-\u04ff"  # Latin, Greek, Cyrillic; each ideograph is a word of its own
_LETTER = rf"(?<![{_OF_WORDS}])[{_OF_WORDS}](?![{_OF_WORDS}])"
_FUNCTION = r"(?<![a-zA-Z])(?:sqrt|sin|cos|tan|log|ln|exp|pi)\b"
_INSIDE = rf"(?:[^()\[\]{{}}$*\w]|\d|\*(?!\*)|{_FUNCTION}|{_LETTER})"
_GROUP = rf"[(\[{{](?>(?:{_INSIDE}|\((?:{_INSIDE}){{0,60}}\)){{1,80}})[)\]}}]"
_ATOM = rf"(?:[$€£]?(?:{_NUMBER})|{_GROUP}|{_FUNCTION}|√\s?|[∞π]|{_LETTER})"
_BEHIND = rf"(?:!(?![\w!])|[²³⁴⁵⁶⁷⁸⁹ⁿ°]|\\?%|\^-?(?:{_NUMBER}|{_GROUP}|{_LETTER}))"
_TERM = rf"(?>{_ATOM}{_BEHIND}?(?:(?:\s(?=√|π|pi\b|sqrt\b))?{_ATOM}{_BEHIND}?){{0,12}})"
_SIGN = r"(?:\s[-+−*/×·÷∪∩]\s(?!\s)|\s[x×]\s(?=\$?\d)|[-+−/×·÷]|\*(?!\*)|\s?(?:[=<>≤≥≠≈]|<=|>=)\s?)"
_TIME = r"\d{1,2}:\d{2}(?:\s?[AaPp]\.?[Mm]\b\.?)?|\d{1,2}\s?(?:[ap]\.?m\b\.?|[AP]M\b)"
_MONTH = r"(?:January|February|March|April|May|June|July|August|September|October|November|December)"
_DATE = rf"{_MONTH}\s\d{{1,2}}(?:,?\s\d{{4}})?(?!\d)|\d{{1,2}}(?:st|nd|rd|th)?\s(?:of\s)?{_MONTH}(?:,?\s\d{{4}})?"
_VALUE = re.compile(
    rf"(?<![{_OF_WORDS}\d_.,\\])(?:{_DATE}|{_TIME}|\d+(?:\s?:\s?\d+)+|\d+\s\d+/\d+(?![\d/])|[-+−±]?{_TERM}(?:{_SIGN}[-−]?{_TERM}){{0,30}})"
)

_MAGNITUDE = r"(?:hundred|thousand|million|billion|trillion|lakh|crore|dozen|percent|pct)\b"
_MORE = re.compile(r"\s+or\s+(?:more|less|fewer|greater|above|below|higher|lower|over|under)\b")
_UNIT = r"(?:(?:square|cubic|sq\.?|cu\.?)\s+)?[^\W\d_]+(?:\s+(?:squared|cubed)\b|[²³]|\^[23])?"
_FOLLOWING = re.compile(
    rf"(?P<magnitude>\s*{_MAGNITUDE})?(?P<unit>\s*(?:\\%|%)|\s?{_UNIT}(?:(?:\s*/\s*|\s+(?:per|an?)\s+){_UNIT})?)?"
)
_NO_UNITS = frozenset(
    {"in", "a", "an", "s", "l", "n", "j", "w", "v", "c", "k", "t", "h", "A", "C", "V", "N", "K", "W", "J"}
)
_PER = re.compile(r"\s*/|\s+(?:per|an?)\s")
_SQUARE = re.compile(r"^(\d[\d,.]*)\s?m([²³])$")
_TIMES = re.compile(r"(?<=\d)\s+x\s+(?=\$?\d)")
_VALUABLE = re.compile(r"[\d∞π]")


@dataclass(frozen=True)
class Span:
    """A value with the words that belong to it (5 million, 12 cm, 5 or more), and its position in the line."""

    start: int
    end: int
    text: str


def values(line: str) -> list[Span]:
    """The values in a line, in order, with the words that belong to each."""
    spans: list[Span] = []
    place = 0
    while value := _VALUE.search(line, place):
        place = max(value.end(), place + 1)
        if not _VALUABLE.search(value[0]):
            continue
        place = value.end() + len(following(line, value.end()))
        spans.append(Span(value.start(), place, _computed(line[value.start() : place].strip(" ,"))))
    return _in_several_units(line, spans)


def _computed(text: str) -> str:
    """The text after the last "=", unless names or variables precede it; the m of 5m² is a unit, not a variable."""
    before, equals, result = _SQUARE.sub(lambda match: rf"{match[1]}\text{{ m}}{match[2]}", text).rpartition("=")
    return result if not equals else text if re.search(r"[^\W\d_]", _TIMES.sub("*", before)) else result.strip()


def following(line: str, place: int) -> str:
    """The words after a value that belong to it: magnitudes, percent, units, "or more"; empty if there are none."""
    match = _FOLLOWING.match(line, place)
    words = ""
    if match:
        words = (match["magnitude"] or "") + _unit(match["unit"] or "")
    more = _MORE.match(line, place + len(words))
    return words + (more[0] if more else "")


def _unit(words: str) -> str:
    """The leading words that form a unit; a ratio of counted things is left out."""
    per = _PER.search(words)
    for end in (len(words), per.start() if per else 0):
        said = words[:end]
        factor, unit = units.read(rf" \text{{{said}}}") or (1, units.NONE)
        if said.strip() not in _NO_UNITS and factor == 1 and unit.dimensions and not unit.words:
            return said
    return ""


def _in_several_units(line: str, spans: Sequence[Span]) -> list[Span]:
    """2 hours and 30 minutes as one value."""
    merged: list[Span] = []
    for span in spans:
        if merged and re.fullmatch(r"\s*(?:,\s*)?(?:and\s+)?", line[merged[-1].end : span.start]):
            text = line[merged[-1].start : span.end]
            if mixed(normalise(text)):
                merged[-1] = Span(merged[-1].start, span.end, text)
                continue
        merged.append(span)
    return merged
