"""Problems with planted copies, for tools that find copies, and problems that only look like copies. Everything is
drawn from the caller's random generator.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from promptcot.core.problems import problem_of

NAMES = "Ada Bela Chen Dora Emil Farah Goran Hana Igor Jana Kofi Lena Mei Nadia Omar Petra Quentin Rosa Sami Tariq"
THINGS = "apples books candles drums eggs flags gloves hats inks jars kites lamps mugs nails oars pens"
TEMPLATES = (
    "{a} has {i} {x} and buys {j} more {x} every week. After {k} weeks {a} gives {l} {x} to {b}. "
    "How many {x} are left?",
    "A shop sells {x} in boxes of {i} and {y} in boxes of {j}. {a} buys {k} boxes of {x} and {l} boxes of {y}. "
    "How many pieces does {a} carry home?",
    "{a} and {b} share {i} {x} in the ratio {j} to {k}, and then each of them finds {l} {x} more. "
    "What is the largest number of {x} that either of them can have?",
    "Find the remainder when $x^{{{i}}} + {j}x^{{{k}}} - {l}$ is divided by $x - 1$, and add {i} to it.",
    "Let $a$ and $b$ be positive integers with $a + b = {i}$ and $ab \\leq {j}$. For how many such pairs does "
    "${k}a - {l}b$ leave the remainder 1 when it is divided by 7?",
    "Every day {a} walks {i} km to school and {b} cycles {j} km there. In a term of {k} days, on {l} of which {a} is "
    "ill, how many kilometres does {a} walk more than {b} cycles?",
    "In triangle $ABC$ the sides are $AB = {i}$, $BC = {j}$ and $CA = {k}$. The point $D$ on $BC$ has distance {l} "
    "from $B$. Compute the square of the length of $AD$.",
    "A tank holds {i} litres. One pipe fills {j} litres an hour, another empties {k} litres an hour, and {a} takes {l} "
    "litres out for the {x}. When is the tank full?",
)

SHORT = (
    "What is {i} + {j}?",
    "What is the units digit of ${i}^{{{j}}}$?",
    "How many zeros does ${i}!$ end in?",
    "Find the sum of all primes below {i}{j}.",
    "Solve ${v}^2 - {i}{v} + {j} = 0$ for ${v}$.",
    "Find the remainder when $7^{{{i}}}$ is divided by {j}.",
    "{a} is {i} years old. How old will {a} be in {j} years?",
    "{a} has {i} {x}. {a} gives {j} of them to {b}. How many {x} are left?",
)
"""Templates with one or two numbers, so that little else is in a problem."""


def read_problems(folder: Path) -> list[str]:
    """The different problems of all files of rows in a folder, in order."""
    files = sorted(folder.glob("*.jsonl"))
    rows = (json.loads(line) for file in files for line in file.read_text().splitlines())
    return list(dict.fromkeys(problem_of(row, "a row") for row in rows))


def templates(count: int, rng: random.Random, made_from: Sequence[str] = TEMPLATES) -> list[str]:
    """Problems that are made from a few templates and differ in what is asked: no two have the same numbers."""
    found: dict[str, str] = {}
    while len(found) < count:
        template, numbers = rng.choice(made_from), {slot: rng.randint(2, 60) for slot in "ijkl"}
        (a, b), (x, y) = rng.sample(NAMES.split(), 2), rng.sample(THINGS.split(), 2)
        names = {"a": a, "b": b, "x": x, "y": y, "v": rng.choice("nrtxyz")}
        found.setdefault(template.format(**dict.fromkeys(names), **numbers), template.format(**names, **numbers))
    return [*found.values()]


def words_changed(problem: str, rng: random.Random, words: Sequence[str], share: float = 0.1) -> str:
    """With a share of the words replaced by others."""
    parts = re.split(r"(\s+)", problem)
    places = [place for place, part in enumerate(parts) if part.strip()]
    for place in rng.sample(places, max(1, round(share * len(places)))):
        parts[place] = rng.choice(words)
    return "".join(parts)


def reordered(problem: str, rng: random.Random) -> str | None:
    """With its sentences in another order; None where it has one only."""
    sentences = re.split(r"(?<=[.?!])\s+", problem)
    if len(set(sentences)) < 2:
        return None
    found = [*sentences]
    while found == sentences:
        rng.shuffle(found)
    return " ".join(found)


def respelled(problem: str, rng: random.Random) -> str:
    """The same in other LaTeX and other characters."""
    fraction = rng.choice([r"\dfrac", r"\tfrac", r"\cfrac"])
    text = re.sub(r"\\[dt]?frac(?![a-z])", lambda _: fraction, problem)
    signs = {"\\le ": "\\leqslant ", "\\ge ": "≥ ", "\\cdot": "\\times", "^2": "²", "\\pi": "π", "-": "−", "'": "’"}
    for sign, other in signs.items():
        text = text.replace(sign, other)
    opened, closed = rng.choice([("\\left(", "\\right)"), ("\\bigl(", "\\bigr)"), ("（", "）")])
    formula = rng.choice(["\\({}\\)", "$ {} $", "\\[{}\\]"])

    def spelled(found: re.Match[str]) -> str:
        inner = re.sub(r"(?<!\\)\(", lambda _: opened, found[1])
        inner = re.sub(r"(?<!\\)\)", lambda _: closed, inner)
        return formula.format(inner.replace("=", "\\,=\\;").replace("+", " + "))

    return re.sub(r"\$((?:[^$\\]|\\.)+)\$", spelled, text).replace(". ", ".\n")


def embedded(problem: str, rng: random.Random, others: Sequence[str], beside: int) -> str:
    """Beside so many other problems, in any place."""
    found = rng.sample(others, beside)
    found.insert(rng.randrange(beside + 1), problem)
    return "\n\n".join(found)


def makes(problems: Sequence[str], rng: random.Random) -> dict[str, Callable[[str], str | None]]:
    """The ways in which a problem is copied, by name."""
    words = sorted({word for problem in problems for word in problem.split()})
    beside = {
        f"embedded beside {count}": lambda problem, count=count: embedded(problem, rng, problems, count)
        for count in (1, 2, 3)
    }
    return {
        "words changed": lambda problem: words_changed(problem, rng, words),
        "sentences reordered": lambda problem: reordered(problem, rng),
        "respelled": lambda problem: respelled(problem, rng),
        **beside,
    }


def made_up(count: int, seed: int, copies: float = 0.05, sharing: float = 0.2) -> Iterator[tuple[str, int | None]]:
    """Problems of 60 to 120 tokens, and of those that are copies the place of what they copy.

    `copies` of them are an earlier one with a tenth of its words changed; `sharing` of them share a sentence with about
    twenty others.
    """
    rng, words = np.random.default_rng(seed), np.array(_words(20_000, seed))
    weight = np.cumsum(np.arange(3, len(words) + 3) ** -0.9)
    weight /= weight[-1]

    def sentence(size: int) -> str:
        drawn = words[np.searchsorted(weight, rng.random(size))].tolist()
        for place in rng.integers(0, size, size // 8).tolist():
            drawn[place] = str(rng.integers(2, 5000))
        return f"{' '.join(drawn).capitalize()}."

    shared = [sentence(int(rng.integers(10, 20))) for _ in range(max(1, round(sharing * count / 20)))]
    recent: list[tuple[int, str]] = []
    changing = random.Random(seed)
    common = words[:2000].tolist()
    for place in range(count):
        if recent and rng.random() < copies:
            source, text = recent[int(rng.integers(len(recent)))]
            yield words_changed(text, changing, common), source
            continue
        size = int(rng.integers(60, 121))
        parts = [sentence(min(left, 15)) for left in range(size, 0, -15)]
        if rng.random() < sharing:
            parts[int(rng.integers(len(parts)))] = shared[int(rng.integers(len(shared)))]
        text = " ".join(parts)
        if len(recent) < 10_000:
            recent.append((place, text))
        else:
            recent[int(rng.integers(10_000))] = (place, text)
        yield text, None


def _words(count: int, seed: int) -> list[str]:
    """Words that can be spoken, the commonest of them short."""
    rng = random.Random(seed)
    syllables = [first + vowel + last for first in "bdfgklmnprst" for vowel in "aeiou" for last in ("", "n", "r", "s")]
    found: dict[str, None] = {}
    while len(found) < count:
        found["".join(rng.choices(syllables, k=1 + min(3, len(found) // 150, rng.randrange(1, 4))))] = None
    return [*found]
