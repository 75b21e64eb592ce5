r"""Whether two answers are the same, as far as this can be decided without computer algebra.

`compare` walks through the parts of both answers and calls a `Judge` for the expressions in them. The judge here,
`expressions.same_expression`, handles numbers and words and returns None if undecided; `promptcot.grading` passes one
that computes. Thus both use the same rules for order, names and units.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from promptcot.core.answers import vectors
from promptcot.core.answers.arithmetic import value
from promptcot.core.answers.expressions import letter_of, relates, same_expression
from promptcot.core.answers.normalise import compact, normalise
from promptcot.core.answers.numbers import number
from promptcot.core.answers.parts import listing, parse
from promptcot.core.answers.shapes import IN_ORDER, Choice, Group, Leaf, Matrix, Named, Part, same_text

Judge = Callable[[str, str], bool | None]

_INTEGER = re.compile(r"[-+]?\d{1,4000}", re.ASCII)
_GROUPED = re.compile(r"([-+]?)(\d{1,3}(?:,\d{3})+|\d+)(?:\.0*)?", re.ASCII)
_DECIMAL_COMMA = re.compile(r"([-+]?\d+),(\d+)", re.ASCII)
_SUM_OF_NAMES = re.compile(
    r"(?:\d*[a-w](?:\s*[-+]\s*\d*\s*[a-w]){1,9}|[a-w](?:\s*(?:\\cdot)?\s*[a-w]){1,3})\s*=\s*(-?[\d,]+)"
)
_MATRIX = re.compile(r"[A-Z]|\\begin")  # what may equal a matrix: a matrix of another shape, or a name
_SEVERAL_VALUES = re.compile(
    r"\\(?:pm|mp|cup|cap|setminus|backslash|mathbb|begin|in|mid|\{|overrightarrow)|\(.*,.*\)|\|"
)
_CHOSEN = re.compile(r"C\s*\(\s*(\w+)\s*,\s*(\w+)\s*\)")
_MANY = 60


def same(gold: str, answer: str) -> bool | None:
    """Whether `answer` matches `gold`; None if that needs computer algebra."""
    if _INTEGER.fullmatch(gold) and _INTEGER.fullmatch(answer):
        return int(gold) == int(answer)
    if not answer.strip():
        return not gold.strip()
    return compare(parse(gold), parse(answer), same_expression)


def mutual(one: str, other: str) -> bool | None:
    """Whether each answer matches the other; None if that needs computer algebra."""
    verdicts = same(one, other), same(other, one)
    return False if False in verdicts else None if None in verdicts else True


_LONGEST_INTEGER = 1000
_SEVERAL = re.compile(r"[,;](?!\d{3}(?!\d))|\b(?:and|or)\b")


def same_integer(gold: str, answer: str) -> bool:
    """For benchmarks whose answers are integers: whether the answer is this integer, in any spelling.

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
    match = _GROUPED.fullmatch(text) or _GROUPED.fullmatch(normalise(text)) if len(text) < 100_000 else None
    if not match:
        return None
    digits = match[2].replace(",", "").lstrip("0") or "0"
    return "-" + digits if match[1] == "-" and digits != "0" else digits


def compare(gold: Part, answer: Part, judge: Judge) -> bool | None:
    """Whether two answers are the same if `judge` compares their expressions; None if it cannot decide."""
    if compact(gold.text) == compact(answer.text):
        return True
    if isinstance(gold, Choice) or isinstance(answer, Choice):
        return _choices(gold, answer, judge)
    gold, answer = _combinations(gold, answer), _combinations(answer, gold)
    if _is(gold, "where") or _is(answer, "where"):
        return _conditional(gold, answer, judge)
    if isinstance(gold, Named) or isinstance(answer, Named):
        return _named(gold, answer, judge)
    if _is_residue(gold) or _is_residue(answer):
        return _residues(gold, answer, judge)
    if isinstance(gold, Matrix) and isinstance(answer, Matrix):
        return _matrices(gold, answer, judge)
    if isinstance(gold, Group | Matrix) and isinstance(answer, Group | Matrix):
        return _groups(_as_tuple(gold), _as_tuple(answer), judge)
    if isinstance(gold, Leaf) and isinstance(answer, Leaf):
        return _sum_of_names(gold, answer) or judge(gold.text, answer.text)
    return _unlike(gold, answer, judge)


def _combinations(part: Part, other: Part) -> Part:
    """C(10, 4) as a binomial if the other side is an expression; if that is a tuple, C is the name of a point."""
    match = _CHOSEN.fullmatch(part.text) if isinstance(part, Named) and isinstance(other, Leaf) else None
    return Leaf(rf"\binom{{{match[1]}}}{{{match[2]}}}") if match else part


def _sum_of_names(gold: Leaf, answer: Leaf) -> bool:
    """Accepts m + n = 293 for 293: the left side only says what was added."""
    match = _SUM_OF_NAMES.fullmatch(answer.text)
    return match is not None and match[1].replace(",", "") == gold.text.replace(",", "")


def _choices(gold: Part, answer: Part, judge: Judge) -> bool | None:
    """A choice with its value matches the letter alone and the value alone; two such choices must agree in both."""
    if isinstance(gold, Choice) and isinstance(answer, Choice):
        return gold.letter == answer.letter and compare(gold.value, answer.value, judge)
    choice, other = (gold, answer) if isinstance(gold, Choice) else (answer, gold)
    assert isinstance(choice, Choice)
    if isinstance(other, Leaf) and letter_of(other.text) == choice.letter:
        return True
    pair = (choice.value, other) if choice is gold else (other, choice.value)
    return compare(*pair, judge)


def _named(gold: Part, answer: Part, judge: Judge) -> bool | None:
    """A name on one side only is ignored. Two names must agree, unless x = 2y is y = x/2 solved for the other one.

    Other relations are compared as a whole; y = 2x is f(x) = 2x, and so is f(t) = 2t.
    """
    for one, other in ((gold, answer), (answer, gold)):
        if isinstance(other, Leaf) and relates(other.text) and isinstance(one, Named):
            return (
                _sum_of_names(gold, answer)
                if isinstance(gold, Leaf) and isinstance(answer, Leaf)
                else judge(gold.text, answer.text)
            )
    if not (isinstance(gold, Named) and isinstance(answer, Named)):
        return compare(_value(gold), _value(answer), judge)
    if _is_residue(gold.value) != _is_residue(answer.value):
        return False  # all numbers of a class, and one number
    if gold.name != answer.name and not _is_function_of(gold, answer):
        whole = "|" in gold.name + answer.name or _has_variables(gold.value) or _has_variables(answer.value)
        return judge(gold.text, answer.text) if whole else False
    return compare(gold.value, _renamed(answer, gold.argument), judge)


def _is_function_of(gold: Named, answer: Named) -> bool:
    """Whether one side is y = 2x and the other f(x) = 2x."""
    return (gold.name == "y" and answer.argument == "x") or (answer.name == "y" and gold.argument == "x")


def _renamed(function: Named, argument: str) -> Part:
    """The value of a function in another variable: f(t) = t + 1 in x is x + 1."""
    own, text = function.argument, function.value.text
    if not own or not argument or own == argument or "," in own + argument or _letters(argument).search(text):
        return function.value
    return parse(_letters(own).sub(lambda _: f" {argument} ", text))


def _letters(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\\a-zA-Z]){re.escape(name)}(?![a-zA-Z])")


def _has_variables(part: Part) -> bool:
    return isinstance(part, Leaf) and re.search(r"(?<![\\a-zA-Z])[a-zA-Z](?![a-zA-Z])", part.text) is not None


def _value(part: Part) -> Part:
    return part.value if isinstance(part, Named) else part


def _is(part: Part, kind: str) -> bool:
    return isinstance(part, Group) and part.kind == kind


def _is_residue(part: Part) -> bool:
    return _is(part, "residue")


def _conditional(gold: Part, answer: Part, judge: Judge) -> bool | None:
    """A condition may be missing on one side, like a unit; if both have conditions, these must agree."""
    if isinstance(gold, Group) and isinstance(answer, Group) and gold.kind == answer.kind:
        verdicts = [
            compare(gold.items[0], answer.items[0], judge),
            _unordered(gold.items[1:], answer.items[1:], judge),
        ]
        return False if False in verdicts else None if None in verdicts else True
    one, other = (
        part.items[0] if isinstance(part, Group) and part.kind == "where" else part for part in (gold, answer)
    )
    return compare(one, other, judge)


def _residues(gold: Part, answer: Part, judge: Judge) -> bool | None:
    """4 mod 9 is 13 mod 9. A plain number must be the one before "mod", or the smallest of its class."""
    pairs = [_residue(part) for part in (gold, answer)]
    (one, modulus), (other, second) = pairs
    if modulus is not None and second is not None:
        if one is None or other is None:
            same_modulus = modulus == second
            return compare(gold.items[0], answer.items[0], judge) if same_modulus else False  # type: ignore[union-attr]
        return modulus == second and (one - other) % modulus == 0
    if one is None or other is None:
        varies = any(_is_residue(part) and _has_variables(_plain(part)) for part in (gold, answer))
        return False if varies else compare(_plain(gold), _plain(answer), judge)  # n mod 2 is not n
    return one == other or (other == one % modulus if modulus is not None else one == other % (second or 1))


def _plain(part: Part) -> Part:
    return part.items[0] if isinstance(part, Group) and part.kind == "residue" else part


def _residue(part: Part) -> tuple[int | None, int | None]:
    """The integer and the modulus of a part; None for other parts."""
    found = value(_plain(part).text)
    number = int(found) if found is not None and not isinstance(found, str) and found.denominator == 1 else None
    modulus = part.items[1].text if isinstance(part, Group) and part.kind == "residue" else ""
    return number, int(modulus) if re.fullmatch(r"[1-9]\d{0,99}", modulus) else 0 if modulus else None


def _unlike(gold: Part, answer: Part, judge: Judge) -> bool | None:
    """Compares a group or a matrix with an expression."""
    leaf, group = (gold, answer) if isinstance(gold, Leaf) else (answer, gold)
    if isinstance(group, Group) and group.kind == "list" and len(group.items) == 1:
        pair = (gold, group.items[0]) if leaf is gold else (group.items[0], answer)
        return compare(*pair, judge)
    if isinstance(leaf, Leaf) and isinstance(group, Group | Matrix) and (vector := _vector(leaf, group)):
        return compare(vector, answer, judge) if leaf is gold else compare(gold, vector, judge)
    if not isinstance(leaf, Leaf) or not isinstance(group, Group):
        matrix = isinstance(leaf, Leaf) and _MATRIX.search(leaf.text) is not None
        return judge(gold.text, answer.text) if matrix else False
    if number(leaf.text) is not None:
        return _commas(gold, answer, leaf, group, judge)
    if same_text(leaf, r"\mathbb{R}") and same_text(group, r"(-\infty,\infty)"):
        return True
    if _chosen_together(leaf, group):
        return True
    if letter_of(leaf.text) or re.fullmatch(r"[^\W\d_]{3,}(?: [^\W\d_]+)*", leaf.text) or "\\ldots" in leaf.text:
        return False
    several = _SEVERAL_VALUES.search(leaf.text) or relates(leaf.text)
    return judge(gold.text, answer.text) if several else False


def _vector(leaf: Leaf, group: Group | Matrix) -> Group | None:
    """3i + 2j as a tuple, if the other side is a tuple or a column of as many numbers."""
    beside = _as_tuple(group)
    fits = beside.kind == "tuple" and beside.brackets == "()" and not beside.names
    return vectors.components(leaf.text, len(beside.items)) if fits else None


def _chosen_together(leaf: Leaf, group: Group) -> bool:
    """Whether AC stands for the choices A and C."""
    letters = [letter_of(item.text) or "" for item in group.items]
    return group.kind == "list" and all(letters) and leaf.text.isupper() and sorted(leaf.text) == sorted(letters)


def _commas(gold: Part, answer: Part, leaf: Leaf, group: Group, judge: Judge) -> bool | None:
    """A comma may separate decimals, thousands or the members of a list; the other answer decides."""
    if "," in leaf.text and group.kind == "list":
        listed = listing(leaf.text)
        if not isinstance(listed, Group) or any(re.match("0.", item.text) for item in listed.items):
            return False
        return compare(listed, answer, judge) if leaf is gold else compare(gold, listed, judge)
    comma = _DECIMAL_COMMA.fullmatch(group.text)
    if comma:
        decimal = Leaf(f"{comma[1]}.{comma[2]}")
        pair = (gold, decimal) if leaf is gold else (decimal, answer)
        return compare(*pair, judge)
    return False


def _as_tuple(part: Group | Matrix) -> Group:
    """A column or a row of a matrix as a tuple."""
    if isinstance(part, Group):
        return part
    row = part.rows[0] if len(part.rows) == 1 else tuple(line[0] for line in part.rows if len(line) == 1)
    vector = len(part.rows) == 1 or len(row) == len(part.rows)
    return Group(part.text, "tuple", row if vector else (part,), "()")


def _matrices(gold: Matrix, answer: Matrix, judge: Judge) -> bool | None:
    if [len(row) for row in gold.rows] != [len(row) for row in answer.rows]:
        return False
    return _pairwise(sum(gold.rows, ()), sum(answer.rows, ()), judge)


def _groups(gold: Group, answer: Group, judge: Judge) -> bool | None:
    if gold.names and answer.names and set(gold.names) == set(answer.names):
        return _pairwise(_by_name(gold), _by_name(answer), judge) if len(gold.items) == len(answer.items) else False
    if IN_ORDER in (gold.brackets, answer.brackets):
        alike = len(gold.items) == len(answer.items) and {gold.kind, answer.kind} <= {"list", "tuple"}
        return _pairwise(gold.items, answer.items, judge) if alike else False
    ordered = gold.kind == answer.kind and gold.kind in ("tuple", "case")
    if ordered or gold.names:
        alike = len(gold.items) == len(answer.items) and _same_brackets(gold, answer)
        return _pairwise(gold.items, answer.items, judge) if alike else False
    if {gold.kind, answer.kind} == {"list", "tuple"} and (_is_program_list(gold) or _is_program_list(answer)):
        return _unordered(gold.items, answer.items, judge)
    if gold.kind == answer.kind == "union":
        return _unordered(gold.items, answer.items, judge) or judge(gold.text, answer.text)
    if gold.kind == answer.kind or (answer.names and gold.kind == "list"):
        return _unordered(gold.items, answer.items, judge)
    bounds = any(isinstance(item, Named) for group in (gold, answer) for item in group.items)
    return judge(gold.text, answer.text) if "union" in (gold.kind, answer.kind) and not bounds else False


def _is_program_list(group: Group) -> bool:
    """Whether a group may be a list or vector printed by a program, such as [1, 2, 3]; [1, 2] is an interval."""
    several = len(group.items) > 2 or any(isinstance(item, Group) for item in group.items)
    return group.kind == "tuple" and group.brackets == "[]" and several and not group.names


def _by_name(group: Group) -> list[Part]:
    return [item for _, item in sorted(zip(group.names, group.items, strict=True), key=lambda pair: pair[0])]


def _same_brackets(gold: Group, answer: Group) -> bool:
    """(0, 1) and [0, 1] differ; the brackets of longer tuples, and of tuples with names, do not matter."""
    return len(gold.items) != 2 or gold.brackets == answer.brackets or bool(gold.names or answer.names)


def _pairwise(gold: Sequence[Part], answer: Sequence[Part], judge: Judge) -> bool | None:
    unsure = False
    for one, other in zip(gold, answer, strict=True):
        verdict = _members(one, other, judge)
        if verdict is False:
            return False
        unsure |= verdict is None
    return None if unsure else True


def _unordered(gold: Sequence[Part], answer: Sequence[Part], judge: Judge) -> bool | None:
    """Whether every member of each side matches a member of the other. Repeated members count once."""
    gold, answer = _distinct(gold), _distinct(answer)
    if max(len(gold), len(answer)) > _MANY:
        return False
    verdicts = [[_members(one, other, judge) for other in answer] for one in gold]
    lines = [*verdicts, *zip(*verdicts, strict=True)]
    if all(any(verdict is True for verdict in line) for line in lines):
        return True
    return None if all(any(verdict is not False for verdict in line) for line in lines) else False


def _members(one: Part, other: Part, judge: Judge) -> bool | None:
    """A letter among other members is not a choice, so (a, b) is not (A, B)."""
    letters = letter_of(one.text), letter_of(other.text)
    return letters[0] == letters[1] if all(letters) else compare(one, other, judge)


def _distinct(parts: Sequence[Part]) -> list[Part]:
    return list({compact(part.text): part for part in parts}.values())
