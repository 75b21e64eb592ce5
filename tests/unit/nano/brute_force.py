"""The answer of a problem by brute force over its definition: no formula, only a search for a number that fits.

Wordings, references and frames are read from the page that describes the language, and each family is stated as what
its words mean of the number x. Slow, and right for numbers up to `BOUND` only.
"""

import math
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

PAGE = (Path(__file__).parents[3] / "nano/LANGUAGE.md").read_text("utf-8")
BOUND = 3000
NUMBER = "([A-Z]|0|[1-9][0-9]*)"


@cache
def triangle(n: int) -> int:
    return sum(range(1, n + 1))


# Whether x is the number that a family asks for.
FITS: dict[str, Callable[..., bool]] = {
    "larger_root": lambda x, s, p: x * x - s * x + p == 0 and x > s - x,
    "quotient": lambda x, n, d: x * d == n,
    "hypotenuse": lambda x, a, b: a * a + b * b == x * x,
    "other_leg": lambda x, a, c: a * a + x * x == c * c,
    "common_difference": lambda x, a, k, t: k >= 4 and a + (k - 1) * x == t,
    "midpoint": lambda x, a, b: a < x < b and x - a == b - x,
    "common_ratio": lambda x, a, c: a * x * x == c,
    "square_side": lambda x, a, b: x * x == a * b,
    "linear": lambda x, a, b, c: a * x + b == c,
    "sum_difference": lambda x, d, s: x > d and x + (x - d) == s,
    "rectangle_side": lambda x, q, p: q % x == 0 and x > q // x and 2 * (x + q // x) == p,
    "polygon_sides": lambda x, d: x >= 4 and math.comb(x, 2) - x == d,
    "triangular_index": lambda x, t: triangle(x) == t,
    "missing_mean": lambda x, a, b, m: a + b + x == 3 * m,
    "gcd_lcm": lambda x, g, l, a: math.gcd(a, x) == g and math.lcm(a, x) == l,  # noqa: E741
    "bag_size": lambda x, r, p, q: p < q and x * p == r * q,
    "consecutive": lambda x, k, s: 2 <= k <= 9 and sum(range(x, x + k)) == s,
    "square_difference": lambda x, d, n: x > d and x * x - (x - d) ** 2 == n,
}


@cache
def described() -> dict[str, tuple[tuple[str, ...], str | None, tuple[str, ...]]]:
    """Wordings, slot of the reference and concepts of each row of the table of families."""
    rows = {}
    for line in PAGE.partition("## Families")[2].partition("## Rationales")[0].splitlines():
        name, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 5 and re.fullmatch("[a-z_]+", name) and name != "family":
            reference = None if cells[3] == "-" else cells[3]
            rows[name] = (tuple(cells[0].split(" / ")), reference, tuple(cells[4].split("; ")))
    return rows


@cache
def frames() -> list[str]:
    """The frames of the page, such as "Let A be PHRASE."; the name of naming ones is A."""
    lines = re.findall("^    (?:naming|asking): (.*)$", PAGE, re.MULTILINE)
    return [frame for line in lines for frame in re.split(" {2,}", line.strip())]


@cache
def patterns() -> list[tuple[str, re.Pattern[str]]]:
    return [
        (name, re.compile(re.sub(r"\\{(\w)\\}", rf"(?P<\1>{NUMBER})", re.escape(wording))))
        for name, (wordings, _, _) in described().items()
        for wording in wordings
    ]


def sentence(text: str) -> tuple[str | None, str, dict[str, str]] | None:
    """The name (None for a question), family and operands of a sentence."""
    for frame in frames():
        start, _, end = frame.partition("PHRASE")
        named = re.compile(re.escape(start).replace("A", "(?P<name>[A-Z])") + "(?P<phrase>.+)" + re.escape(end))
        if found := named.fullmatch(text):
            for family, pattern in patterns():
                if slots := pattern.fullmatch(found["phrase"]):
                    return found.groupdict().get("name"), family, slots.groupdict()
    return None


def answer(problem: str) -> int | None:
    """The answer, or None for an ill-posed problem."""
    parts = [sentence(text) for text in re.split("(?<=[.?]) ", problem.strip())]
    read = [part for part in parts if part is not None]
    names = [name for name, _, _ in read]
    if len(read) < len(parts) or not 1 <= len(read) <= 3 or names[-1] is not None:
        return None
    if any(name is None or name not in ("AMR", "BNS")[place] for place, name in enumerate(names[:-1])):
        return None
    value: int | None = None
    for place, (_, family, slots) in enumerate(read):
        referring = {slot: text for slot, text in slots.items() if text.isalpha()}
        reference = described()[family][1]
        if referring != ({reference: names[place - 1]} if place else {}):
            return None
        value = number(family, tuple((slot, value if text.isalpha() else int(text)) for slot, text in slots.items()))
        if value is None:
            return None
    return value


@cache
def number(family: str, slots: tuple[tuple[str, int | None], ...]) -> int | None:
    """The number that a family asks for."""
    if not all(operand for _, operand in slots):
        return None
    fitting = [x for x in range(1, BOUND + 1) if FITS[family](x, **dict(slots))]
    assert len(fitting) <= 1, (family, slots, fitting)
    return fitting[0] if fitting else None
