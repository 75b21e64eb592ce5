"""Whether two answers are the same, as far as that can be seen without computer algebra.

`compare` walks through the parts of both answers and asks a `Judge` about the expressions in them. The judge here,
`same_expression`, knows numbers and words and says None where it does not know; `promptcot.grading` brings one that
computes. So both decide by the same rules what is ordered, what is a name and what a unit is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction

from promptcot.core.answers.arithmetic import TOO_LARGE, value
from promptcot.core.answers.normalise import compact, normalise
from promptcot.core.answers.numbers import number, same_number
from promptcot.core.answers.parts import Choice, Group, Leaf, Matrix, Named, Part, listing, parse
from promptcot.core.answers.units import PERCENT, alike, measured, scale_between

Judge = Callable[[str, str], bool | None]

_INTEGER = re.compile(r"[-+]?\d{1,4000}", re.ASCII)
_GROUPED = re.compile(r"([-+]?)(\d{1,3}(?:,\d{3})+|\d+)(?:\.0*)?", re.ASCII)
_DECIMAL_COMMA = re.compile(r"([-+]?\d+),(\d+)", re.ASCII)
_LETTER = re.compile(r"\(?([a-zA-Z])\)?")
_WORDS = re.compile(r"[^\W\d_][^\W\d_' .,\-]*(?:[ '.,\-]+[^\W\d_]+)*[.!]?")
_RATIO = re.compile(r"(\d{1,50})\s*:\s*(\d{1,50})", re.ASCII)
_MANY = 60


def same(gold: str, answer: str) -> bool | None:
    """Whether `answer` says what `gold` says; None if that needs computer algebra.
    """
    if _INTEGER.fullmatch(gold) and _INTEGER.fullmatch(answer):
        return int(gold) == int(answer)
    if not answer.strip():
        return not gold.strip()
    return compare(parse(gold), parse(answer), same_expression)


def mutual(one: str, other: str) -> bool | None:
    """Whether each says what the other says; None if that needs computer algebra."""
    verdicts = same(one, other), same(other, one)
    return False if False in verdicts else None if None in verdicts else True


_LONGEST_INTEGER = 1000
_SEVERAL = re.compile(r"[,;](?!\d{3}(?!\d))|\b(?:and|or)\b")


def same_integer(gold: str, answer: str) -> bool:
    """For benchmarks whose answers are integers: whether the answer is exactly this one, however it is written.

    007, 7.0, +7, x = 7, 14/2 and 7 dollars are 7; 1,234 is 1234. A percentage is not.
    """
    digits = [_whole(text) for text in (gold, answer)]
    if None not in digits:
        return digits[0] == digits[1]
    if digits[0] is None or "%" in answer or len(answer) > _LONGEST_INTEGER or _SEVERAL.search(answer):
        return False
    return same(gold, answer) is True


def _whole(text: str) -> str | None:
    text = text.strip()
    found = _GROUPED.fullmatch(text) or _GROUPED.fullmatch(normalise(text)) if len(text) < 100_000 else None
    if not found:
        return None
    digits = found[2].replace(",", "").lstrip("0") or "0"
    return "-" + digits if found[1] == "-" and digits != "0" else digits


def compare(gold: Part, answer: Part, judge: Judge) -> bool | None:
    """Whether two answers are the same if `judge` is right about their expressions; None if it is needed and unsure."""
    if compact(gold.text) == compact(answer.text):
        return True
    if isinstance(gold, Choice) or isinstance(answer, Choice):
        return _choices(gold, answer, judge)
    if isinstance(gold, Named) or isinstance(answer, Named):
        return _named(gold, answer, judge)
    if isinstance(gold, Matrix) and isinstance(answer, Matrix):
        return _matrices(gold, answer, judge)
    if isinstance(gold, Group) and isinstance(answer, Group):
        return _groups(gold, answer, judge)
    if isinstance(gold, Leaf) and isinstance(answer, Leaf):
        return judge(gold.text, answer.text)
    return _unlike(gold, answer, judge)


def _choices(gold: Part, answer: Part, judge: Judge) -> bool | None:
    """A choice with its value is the choice, and the value; two of them agree in both."""
    if isinstance(gold, Choice) and isinstance(answer, Choice):
        return gold.letter == answer.letter and compare(gold.value, answer.value, judge)
    choice, other = (gold, answer) if isinstance(gold, Choice) else (answer, gold)
    assert isinstance(choice, Choice)
    letter = _LETTER.fullmatch(_upright(other.text).strip(" .")) if isinstance(other, Leaf) else None
    if letter and letter[1] == choice.letter:
        return True
    pair = (choice.value, other) if choice is gold else (other, choice.value)
    return compare(*pair, judge)


def _named(gold: Part, answer: Part, judge: Judge) -> bool | None:
    """A name on one side only says nothing; two names must agree, unless x = 2y solves y = x/2 for the other one.

    A relation that is more than a name and a value is compared whole.
    """
    for one, other in ((gold, answer), (answer, gold)):
        if isinstance(other, Leaf) and _is_relation(other.text) and isinstance(one, Named):
            return judge(gold.text, answer.text)
    if isinstance(gold, Named) and isinstance(answer, Named) and gold.name != answer.name:
        whole = "|" in gold.name + answer.name or _has_variables(gold.value) or _has_variables(answer.value)
        return judge(gold.text, answer.text) if whole else False
    return compare(_value(gold), _value(answer), judge)


def _has_variables(part: Part) -> bool:
    return isinstance(part, Leaf) and re.search(r"(?<![\\a-zA-Z])[a-zA-Z](?![a-zA-Z])", part.text) is not None


def _value(part: Part) -> Part:
    return part.value if isinstance(part, Named) else part


def _is_relation(text: str) -> bool:
    return re.search(r"=|\\(?:[lgn]e)(?![a-z])|[<>]", _BOUNDS.sub("", text)) is not None


_BOUNDS = re.compile(r"_\s*\{[^{}]*\}")  # of a sum


def _unlike(gold: Part, answer: Part, judge: Judge) -> bool | None:
    """A group or a matrix on one side, an expression on the other."""
    leaf, group = (gold, answer) if isinstance(gold, Leaf) else (answer, gold)
    if isinstance(group, Group) and group.kind == "list" and len(group.items) == 1:
        pair = (gold, group.items[0]) if leaf is gold else (group.items[0], answer)
        return compare(*pair, judge)
    if not isinstance(leaf, Leaf) or not isinstance(group, Group):
        return judge(gold.text, answer.text) if isinstance(leaf, Leaf) else False
    if number(leaf.text) is not None:
        return _commas(gold, answer, leaf, group, judge)
    if _words(leaf.text) is not None or "\\ldots" in leaf.text:
        return False
    if group.kind == "list" and not _is_relation(leaf.text):
        return False if not re.search(r"\\(?:pm|cup|\{)", leaf.text) else judge(gold.text, answer.text)
    return judge(gold.text, answer.text)


def _commas(gold: Part, answer: Part, leaf: Leaf, group: Group, judge: Judge) -> bool | None:
    """A comma may separate decimals, thousands or the members of a list; the other answer tells which."""
    if "," in leaf.text and group.kind == "list":
        listed = listing(leaf.text)
        pair = (listed, answer) if leaf is gold else (gold, listed)
        return isinstance(listed, Group) and compare(*pair, judge)
    comma = _DECIMAL_COMMA.fullmatch(group.text)
    if comma:
        decimal = Leaf(f"{comma[1]}.{comma[2]}")
        pair = (gold, decimal) if leaf is gold else (decimal, answer)
        return compare(*pair, judge)
    return False


def _matrices(gold: Matrix, answer: Matrix, judge: Judge) -> bool | None:
    if [len(row) for row in gold.rows] != [len(row) for row in answer.rows]:
        return False
    return _pairwise(sum(gold.rows, ()), sum(answer.rows, ()), judge)


def _groups(gold: Group, answer: Group, judge: Judge) -> bool | None:
    if gold.names and answer.names and set(gold.names) == set(answer.names):
        return (
            _pairwise(_by_name(gold), _by_name(answer), judge)
            if len(gold.items) == len(answer.items)
            else False
        )
    if gold.kind == answer.kind == "tuple" or gold.names:
        ordered = len(gold.items) == len(answer.items) and _same_brackets(gold, answer)
        return _pairwise(gold.items, answer.items, judge) if ordered else False
    if gold.kind == answer.kind == "union":
        return _unordered(gold.items, answer.items, judge) or judge(gold.text, answer.text)
    if gold.kind == answer.kind or (answer.names and gold.kind == "list"):
        return _unordered(gold.items, answer.items, judge)
    if "union" in (gold.kind, answer.kind):
        return judge(gold.text, answer.text)
    return False


def _by_name(group: Group) -> list[Part]:
    return [item for _, item in sorted(zip(group.names, group.items, strict=True), key=lambda pair: pair[0])]


def _same_brackets(gold: Group, answer: Group) -> bool:
    """(0, 1) and [0, 1] differ; of longer tuples, and of named ones, the brackets do not matter."""
    return len(gold.items) != 2 or gold.brackets == answer.brackets or bool(gold.names or answer.names)


def _pairwise(gold: Sequence[Part], answer: Sequence[Part], judge: Judge) -> bool | None:
    unsure = False
    for one, other in zip(gold, answer, strict=True):
        verdict = compare(one, other, judge)
        if verdict is False:
            return False
        unsure |= verdict is None
    return None if unsure else True


def _unordered(gold: Sequence[Part], answer: Sequence[Part], judge: Judge) -> bool | None:
    """Whether every member of one has its match in the other. Repeated members count once."""
    gold, answer = _distinct(gold), _distinct(answer)
    if max(len(gold), len(answer)) > _MANY:
        return False
    verdicts = [[compare(one, other, judge) for other in answer] for one in gold]
    lines = [*verdicts, *zip(*verdicts, strict=True)]
    if all(any(verdict is True for verdict in line) for line in lines):
        return True
    return None if all(any(verdict is not False for verdict in line) for line in lines) else False


def _distinct(parts: Sequence[Part]) -> list[Part]:
    return list({compact(part.text): part for part in parts}.values())


def same_expression(gold: str, answer: str) -> bool | None:
    """Whether two normalised expressions are the same, for numbers, words and ratios; None for all others."""
    if compact(_upright(gold)) == compact(_upright(answer)):
        return True
    numbers = number(gold), number(answer)
    if numbers[0] is not None and numbers[1] is not None:
        return same_number(numbers[0], numbers[1])
    if "\\ldots" in gold or "\\ldots" in answer or max(len(gold), len(answer)) > 4000:
        return False
    marked = "\\text" in gold + answer
    words = _words(gold, marked), _words(answer, marked)
    if words[0] is not None and words[1] is not None:
        return words[0] == words[1]
    if any(words) and (any(numbers) or not re.search(r"[a-zA-Z]", gold) or not re.search(r"[a-zA-Z]", answer)):
        return False
    if any(found is not None and found.base for found in numbers):
        return False
    if any(numbers) and any(_is_relation(text) for text in (gold, answer)):
        return False
    ratios = _ratios(gold, answer)
    return _measured(gold, answer) if ratios is None else ratios


def _measured(gold: str, answer: str) -> bool | None:
    """Whether two expressions with what stands behind them are the same; None where the expressions must be computed."""
    pair = comparable(gold, answer)
    if pair is None:
        return False
    if pair != (gold, answer):
        return same_expression(*pair)
    values = value(gold), value(answer)
    if None in values:
        return False if TOO_LARGE in values else None
    return values[0] == values[1] and TOO_LARGE not in values


def comparable(gold: str, answer: str) -> tuple[str, str] | None:
    """Two expressions in one unit, without it; None where their units, or words behind them, make them different."""
    one, other = measured(gold), measured(answer)
    if one.changed != other.changed or not alike(one.unit, other.unit):
        return None
    if PERCENT in (one.unit, other.unit) and one.unit != other.unit:
        one, other = (replace(side, factor=side.factor * Fraction(1, 100)) if side.unit == PERCENT else side for side in (one, other))
    scale = scale_between(other.unit, one.unit)
    return _scaled(one.text, one.factor), _scaled(other.text, other.factor * scale)


def _scaled(text: str, factor: int | Fraction) -> str:
    if factor == 1:
        return text
    return f"({text}) \\cdot \\frac{{{factor.numerator}}}{{{factor.denominator}}}"


def _upright(text: str) -> str:
    """Without the marks of text."""
    return re.sub(r"\\text\s*\{([^{}]*)\}", r"\1", text)


def _words(text: str, marked: bool = False) -> str | None:
    """A choice's letter or a few words, in lower case; None for what may be mathematics, such as xy.

    What is set as text, or `marked` since the other answer is, is no mathematics.
    """
    marked = marked or "\\text" in text
    plain = _upright(text).strip(" .!$")
    if letter := _LETTER.fullmatch(plain):
        return letter[1].lower()
    if not _WORDS.fullmatch(plain):
        return None
    long = any(len(word) > 2 and re.search("[aeiouyAEIOUY]", word) for word in re.findall(r"[^\W\d_]+", plain))
    return " ".join(plain.lower().split()) if marked or long else None


def _ratios(gold: str, answer: str) -> bool | None:
    """1:2 is 2:4; but 12:05 is a time, not 12:5."""
    ratios = _RATIO.fullmatch(gold), _RATIO.fullmatch(answer)
    if ratios[0] is None or ratios[1] is None:
        return None
    (a, b), (c, d) = ratios[0].groups(), ratios[1].groups()
    times = any(len(part) > 1 and part.startswith("0") for part in (b, d))
    return (int(a), int(b)) == (int(c), int(d)) if times else int(a) * int(d) == int(b) * int(c)
