r"""Makes copies of problems, which a decontamination has to find. Each maker takes a text and a generator.

A maker returns None if it cannot make its kind of copy of a problem.
"""

from __future__ import annotations

import random
import re
import string
from collections.abc import Callable

Maker = Callable[[str, random.Random], str | None]

_FILLER = ["amber", "basin", "cedar", "drifted", "evenly", "fabric", "granite", "harbor", "indigo", "juniper", "kettle"]
_NAMES = ["Amara", "Bjarne", "Chidi", "Darya", "Emeka", "Farah", "Goran", "Hanako", "Ilse", "Jovan"]
_BESIDE = (
    "A baker fills every tray with the same number of rolls. How many trays does the bakery need on a busy morning?",
    "Decide whether each bounded monotone sequence of reals converges, and prove what you say.",
    "Suppose that calls reach an office independently of each other. Estimate how long the second caller has to wait.",
)
_QUESTIONS = (
    "What would have to be true at the start for the outcome to be twice as large?",
    "Determine the value given first.",
)
_UNITS = {
    "feet": "metres", "miles": "kilometres", "inches": "centimetres", "hours": "minutes", "days": "weeks",
    "pounds": "kilograms", "dollars": "euros", "cents": "pence", "gallons": "litres", "years": "months",
}  # fmt: skip
_ONES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_ONES += ["thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_FORMULA = re.compile(r"\$\$.+?\$\$|\$[^$]+\$|\\\[.+?\\\]", re.DOTALL)


def verbatim(text: str, rng: random.Random) -> str:
    return text


def embedded(text: str, rng: random.Random) -> str:
    one, other = rng.sample(_BESIDE, 2)
    return rng.choice([f"{one} {text}", f"{text} {one}", f"{one}\n\n{text}\n\n{other}"])


def respelled(text: str, rng: random.Random) -> str:
    r"""Other delimiters, \dfrac for \frac, room, \left(, Unicode signs, dashes and quotes."""

    def formula(found: re.Match[str]) -> str:
        inside = found[0].strip("$") if found[0].startswith("$") else found[0][2:-2]
        inside = inside.replace("\\frac", rng.choice(["\\frac", "\\dfrac", "\\tfrac"]))
        if "\\left" not in inside and rng.random() < 0.5:
            inside = inside.replace("(", "\\left(").replace(")", "\\right)")
        inside = inside.replace("+", rng.choice(["+", " + ", r"\,+\,"])).replace("-", rng.choice(["-", "−", " - "]))
        inside = re.sub(r"\\leq?(?![a-z])", rng.choice(["\\\\leqslant ", "≤ "]), inside)
        return rng.choice([r"\({}\)", "${}$", "$ {} $"]).replace("{}", inside)

    return _FORMULA.sub(formula, text).replace("'", "’")


def numbers_changed(text: str, rng: random.Random) -> str:
    def other(number: re.Match[str]) -> str:
        least = 10 ** (len(number[0]) - 1)
        return str(rng.randrange(max(2, least), 10 * least))

    return re.sub(r"\d+", other, text)


def words_changed(text: str, rng: random.Random) -> str:
    """A tenth of the words, at least one."""
    words = text.split(" ")
    for place in rng.sample(range(len(words)), max(1, round(len(words) / 10))):
        words[place] = rng.choice(_FILLER)
    return " ".join(words)


def numbers_as_words(text: str, rng: random.Random) -> str | None:
    def word(number: re.Match[str]) -> str:
        value = int(number[0])
        if value < 20:
            return _ONES[value]
        return _TENS[value // 10 - 2] + (f"-{_ONES[value % 10]}" if value % 10 else "")

    made = re.sub(r"(?<![\w.,$^{_\\-])\d{1,2}(?![\w.}:-])", word, text)
    return made if made != text else None


def names_changed(text: str, rng: random.Random) -> str | None:
    found = sorted(set(re.findall(r"(?<=[a-z,] )[A-Z][a-z]{2,}\b", text)))
    if not found or len(found) > len(_NAMES):
        return None
    others = dict(zip(found, rng.sample(_NAMES, len(found)), strict=True))
    return re.sub(r"\b[A-Z][a-z]{2,}\b", lambda name: others.get(name[0], name[0]), text)


def variables_renamed(text: str, rng: random.Random) -> str | None:
    """Variables in formulas, each renamed consistently."""
    small = [letter for letter in string.ascii_lowercase if letter not in "deio"]
    others = dict(zip(small, rng.sample(small, len(small)), strict=True))
    large = string.ascii_uppercase
    others |= dict(zip(large, rng.sample(large, len(large)), strict=True))

    def formula(found: re.Match[str]) -> str:
        return re.sub(r"(?<![\\A-Za-z])(?:[a-z]|[A-Z]{1,4})(?![A-Za-z])", renamed, found[0])

    def renamed(letters: re.Match[str]) -> str:
        return "".join(others.get(letter, letter) for letter in letters[0])

    made = _FORMULA.sub(formula, text)
    return made if made != text else None


def units_changed(text: str, rng: random.Random) -> str | None:
    made = re.sub("|".join(_UNITS), lambda unit: _UNITS[unit[0]], text)
    return made if made != text else None


def reordered(text: str, rng: random.Random) -> str | None:
    parts = _sentences(text)
    return " ".join([parts[-1], *parts[:-1]]) if len(parts) > 1 else None


def asked_otherwise(text: str, rng: random.Random) -> str | None:
    parts = _sentences(text)
    return " ".join([*parts[:-1], rng.choice(_QUESTIONS)]) if len(parts) > 2 else None


def half_embedded(text: str, rng: random.Random) -> str | None:
    parts = _sentences(text)
    half = " ".join(parts[: (len(parts) + 1) // 2])
    return f"{half} {rng.choice(_BESIDE)}" if len(parts) > 2 else None


def _sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.?!])\s+(?=[A-Z$\\])", text.strip())


WITH_TARGETS: dict[str, tuple[Maker, float]] = {
    "verbatim": (verbatim, 1.0),
    "embedded": (embedded, 1.0),
    "respelled": (respelled, 0.99),
    "numbers changed": (numbers_changed, 0.97),
    "10 % of words changed": (words_changed, 0.97),
}
OTHERS: dict[str, Maker] = {
    "numbers as words": numbers_as_words,
    "names changed": names_changed,
    "variables renamed": variables_renamed,
    "units changed": units_changed,
    "sentences reordered": reordered,
    "asked otherwise": asked_otherwise,
    "half of it embedded": half_embedded,
}
