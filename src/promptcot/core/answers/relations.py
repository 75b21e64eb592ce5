r"""Names and relations: x = 5, f(x) = 2x, m + n = 256 + 37 = 293, 1 < x \le 2, |x| > 3, x \equiv 2 \pmod 5.

Decides what is the name of a value, which inequalities are intervals, and which relations are kept whole because they
are more than a name and a value.
"""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction

from promptcot.core.answers.brackets import split
from promptcot.core.answers.normalise import compact
from promptcot.core.answers.numbers import number
from promptcot.core.answers.shapes import Group, Leaf, Named, Part, Reader
from promptcot.core.answers.signs import BRACKETS as SIGNED

EQUALS = re.compile(r"=|\\equiv(?![a-z])")
_APPROXIMATELY = re.compile(r"\\approx(?![a-z])")
_IN = re.compile(r"\\in(?![a-z])")
_ORDER = re.compile(r"\\[lg]e(?![a-z])|[<>]")
_UNEQUAL = re.compile(r"\\ne(?![a-z])")
_RELATION = re.compile(r"=|\\(?:[lgn]e|approx|equiv|in)(?![a-z])|[<>]")
_MODULUS = re.compile(r"^(?P<value>.*?)\s*,?\s*\\pmod\s*\{?(?P<modulus>\w+)\}?\s*$")

_FUNCTIONS = (
    "frac|sqrt|sin|cos|tan|cot|sec|csc|log|ln|exp|pi|infty|sum|prod|int|lim|binom|arc[a-z]+|text|pm|mp|cdot|times"
)
_LETTER = rf"\\math(?:bb|rm)\{{[PEV]\}}(?=[(\[])|\\(?!(?:{_FUNCTIONS})(?![a-zA-Z]))[a-zA-Z]+|[A-Za-z]"
ATOM = rf"(?:{_LETTER})'*(?:_(?:\w|\{{(?:[^{{}}]|\{{[^{{}}]*\}})*\}}))?'*(?:\^\{{-1\}}(?=\())?"
_CALL = r"\((?:[^()]|\([^()]*\))*\)"
_COMPOSED = rf"\(\s*{ATOM}\s*\\circ\s*{ATOM}\s*\){_CALL}"
_SEGMENT = rf"(?:{ATOM}(?:{_CALL}|\[[^\[\]]*\])?|[A-Z]{{2,}}'?|[A-Z]_\{{[A-Z]+\}}|{_COMPOSED})"
# Left sides that are expressions with a value, not unknowns to solve for: a limit, a sum, a determinant, \tan A.
_OPERATION = re.compile(
    r"\s*\\(?:lim|sum|prod|int|det|dim|max|min|sup|inf|gcd|lcm)(?![a-zA-Z]).*"
    r"|\s*\\(?:sin|cos|tan|cot|sec|csc)(?![a-zA-Z])[^-+]*"
)
_NAME = re.compile(
    rf"\s*(?:(?:\\?#\s*)?{_SEGMENT}|\|{_SEGMENT}\||{_SEGMENT}\s*:\s*{_SEGMENT}|\(\s*{ATOM}(?:\s*,\s*{ATOM})*\s*\)"
    rf"|\[[A-Z]{{3,}}\]|\\l(?:floor|ceil)\s*{_SEGMENT}\s*\\r(?:floor|ceil)"
    rf"|\\frac\{{[A-Z]{{2}}\}}\{{[A-Z]{{2}}\}}|\\frac\{{d\s*[a-zA-Z]\}}\{{d\s*[a-zA-Z]\}}|\\(?:angle|triangle)\s*[A-Z]+"
    rf"|m\s*\\angle\s*[A-Z]+|\\overline\{{[A-Z]{{2}}\}}"
    rf"|\\text\{{[^{{}}]*\}}\s*(?:{_CALL}|(?:\\triangle|\\angle)?\s*[A-Z]+)?"
    rf"|[A-Z]{{2}}(?:\s*(?:\\cdot|\\times|/|\+)\s*[A-Z]{{2}})+"
    rf"|[A-Za-z]{{3,}}(?: [a-z]+)*)\s*"
)
_ARGUMENT = re.compile(r"\(((?:\\?[a-zA-Z]+)(?:,\\?[a-zA-Z]+)*)\)$")
_TUPLE_OF_NAMES = re.compile(rf"\s*\(\s*{ATOM}(?:\s*,\s*{ATOM})+\s*\)\s*")
_MAGNITUDE = re.compile(r"\s*\|\s*([a-zA-Z])\s*(?:([-+])\s*(\d{1,9}(?:\.\d{1,9})?)\s*)?\|\s*")


def name_of(text: str) -> str | None:
    """`text` if it is a name, without the variables of a function; None if it is more than a name."""
    return _ARGUMENT.sub("", compact(text)) if _NAME.fullmatch(text) else None


def argument_of(text: str) -> str:
    """The variable of a function, as in f(x); empty for other names."""
    match = _ARGUMENT.search(compact(text))
    return match[1] if match else ""


def has_order(text: str) -> bool:
    """Whether a text contains an inequality sign."""
    return _ORDER.search(text) is not None


def is_relation(text: str) -> bool:
    """Whether a text contains a relation."""
    return _RELATION.search(text) is not None


def has_variable(text: str) -> bool:
    """Whether a text contains a letter outside of commands."""
    return re.search(r"[a-zA-Z]", re.sub(r"\\[a-zA-Z]+", "", text)) is not None


def assigned(text: str) -> Part | None:
    """x = 58,500, where the comma separates thousands, not members of a list; None for all others."""
    name, equals, value = text.partition("=")
    if equals and "," in value and number(value) is not None and (called := name_of(name)):
        return Named(text, called, Leaf(value.strip()))
    return None


def residue(text: str, depth: int, read: Reader) -> Part | None:
    """A value and its modulus; None for all others."""
    match = _MODULUS.match(text) if "\\pmod" in text else None
    if not match or not match["value"]:
        return None
    sides = split(match["value"], EQUALS)
    items = (read(sides[-1], depth + 1), Leaf(match["modulus"]))
    group = Group(text, "residue", items)
    if len(sides) == 1:
        return group
    name = name_of(sides[0])
    return Named(text, name, group) if name and len(sides) == 2 else Leaf(text)


def related(text: str, depth: int, read: Reader) -> Part | None:
    """A named value, or a whole relation; None if `text` is neither."""
    if not _RELATION.search(text):
        return None
    member = split(text, _IN)
    if len(member) == 2:
        name = name_of(member[0])
        return Named(text, name, read(member[1], depth + 1)) if name else Leaf(text)
    sides = split(text, EQUALS)
    value, *rough = split(sides[-1], _APPROXIMATELY)
    if rough:
        if len(sides) == 1 and (name := name_of(value)):
            return Named(text, name, read(rough[0], depth + 1))
        return read("=".join([*sides[:-1], value]), depth + 1)
    if len(sides) > 1:
        return _equation(text, sides, depth, read)
    return _interval(text, depth, read)


def _equation(text: str, sides: list[str], depth: int, read: Reader) -> Part:
    if len(sides) == 2 and (named := _named_tuple(text, sides[0], sides[1], depth, read)):
        return named
    names = [name_of(side) for side in sides]
    function = argument_of(sides[0]) if names[0] else ""
    is_value = names[-1] is None or "\\text" in sides[-1] or (len(sides) == 2 and function)
    if is_value and any(names) and (len(sides) > 2 or names[0]):
        return Named(text, next(name for name in names if name), read(sides[-1], depth + 1), function)
    chain = len(sides) > 2  # m + n = 256 + 37 = 293
    if (chain or _OPERATION.fullmatch(sides[0])) and not has_variable(sides[-1]):
        return Named(text, compact(sides[0]), read(sides[-1], depth + 1))
    if not any(has_variable(side) for side in sides):  # a computation: 2 + 3 = 5
        return read(sides[-1], depth + 1)
    if len(sides) == 2 and names[1] and not names[0]:
        return Named(text, names[1], read(sides[0], depth + 1))
    return Leaf(text)


def _named_tuple(text: str, names: str, values: str, depth: int, read: Reader) -> Part | None:
    """(a, b) = (1, 2) as a tuple with names."""
    if not _TUPLE_OF_NAMES.fullmatch(names):
        return None
    called = tuple(compact(name) for name in names.strip()[1:-1].split(","))
    group = read(values, depth + 1)
    if not isinstance(group, Group):
        return None
    if group.brackets == SIGNED and all(
        isinstance(one, Group) and len(one.items) == len(called) for one in group.items
    ):
        items = tuple(replace(one, names=called) for one in group.items if isinstance(one, Group))
        return replace(group, text=text, items=items)
    named = group.kind == "tuple" and len(group.items) == len(called)
    return replace(group, text=text, names=called) if named else None


def _interval(text: str, depth: int, read: Reader) -> Part | None:
    """x > 5, 5 < x and 1 < x \\le 2 as intervals if the bounds are numbers; other inequalities are kept whole."""
    if hole := _hole(text, depth, read):
        return hole
    sides, signs = split(text, _ORDER), _ORDER.findall(text)
    if len(sides) not in (2, 3) or len(signs) != len(sides) - 1:
        return Leaf(text) if _ORDER.search(text) and len(sides) > 1 else None
    if all(sign in (">", r"\ge") for sign in signs):
        sides, signs = sides[::-1], [{">": "<", r"\ge": r"\le"}[sign] for sign in signs[::-1]]
        text = sides[0] + "".join(f"{sign} {side}" for sign, side in zip(signs, sides[1:], strict=True))
    if not all(sign in ("<", r"\le") for sign in signs):
        return Leaf(text)
    if len(sides) == 2 and (interval := _magnitude(text, sides, signs[0], depth, read)):
        return interval
    if len(sides) == 2:
        if name_of(sides[0]):
            sides, signs = [r"-\infty", *sides], ["<", *signs]
        else:
            sides, signs = [*sides, r"\infty"], [*signs, "<"]
    name = name_of(sides[1])
    if name is None or has_variable(sides[0]) or has_variable(sides[2]):
        return Leaf(text)
    return Named(text, name, _between(text, sides[0], sides[2], signs, depth, read))


def _hole(text: str, depth: int, read: Reader) -> Part | None:
    """x \\ne 2 as the union of the ranges below and above 2; None for all others."""
    sides = split(text, _UNEQUAL)
    name = name_of(sides[0]) if len(sides) == 2 and number(sides[1].strip()) else None
    if name is None:
        return None
    below = _between(f"x<{sides[1]}", r"-\infty", sides[1], ["<", "<"], depth, read)
    above = _between(f"x>{sides[1]}", sides[1], r"\infty", ["<", "<"], depth, read)
    return Named(text, name, Group(text, "union", (below, above)))


def _between(text: str, least: str, most: str, signs: list[str], depth: int, read: Reader) -> Group:
    brackets = ("(" if signs[0] == "<" else "[") + (")" if signs[1] == "<" else "]")
    return Group(text, "tuple", (read(least, depth + 1), read(most, depth + 1)), brackets)


def _magnitude(text: str, sides: list[str], sign: str, depth: int, read: Reader) -> Part | None:
    """|x - 1| < 3 as an interval around 1, |x| > 3 as the union outside an interval around 0."""
    inside = _MAGNITUDE.fullmatch(sides[0])
    found, bound = inside or _MAGNITUDE.fullmatch(sides[1]), sides[1] if inside else sides[0]
    size = number(bound.strip())
    if not found or not size or not size.value or size.value < 0:
        return None
    least, most = f"-{bound}", bound
    if found[2]:
        middle = Fraction(found[3]) * (-1 if found[2] == "+" else 1)
        least, most = _written(middle - size.value), _written(middle + size.value)
    if inside:
        return Named(text, found[1], _between(text, least, most, [sign, sign], depth, read))
    below = _between(f"x{sign}{least}", r"-\infty", least, ["<", sign], depth, read)
    above = _between(f"x{sign}{most}", most, r"\infty", [sign, "<"], depth, read)
    return Named(text, found[1], Group(text, "union", (below, above)))


def _written(number: Fraction) -> str:
    sign = "-" if number < 0 else ""
    above, below = abs(number.numerator), number.denominator
    return f"{sign}{above}" if below == 1 else rf"{sign}\frac{{{above}}}{{{below}}}"
