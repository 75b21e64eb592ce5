"""The step `dedup`: which rows stay, what is recorded for the others, and robustness against odd rows."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from promptcot.core.overlap.vectors import as_text
from promptcot.records import Drop, Dropped, Row
from promptcot.stages import called
from promptcot.stages.dedup import Dedup
from promptcot.stages.embed import FIELD

WORDS = [
    f"{first}{second}" for first in ("ka", "lo", "mi", "nu", "pe", "ri") for second in ("bal", "dor", "fen", "gus")
]
WORDS += [f"{word}{end}" for word in WORDS for end in ("a", "en", "is", "ot", "um")]


def problem(seed: int, sentences: int = 4) -> str:
    """A text of sentences with a few numbers."""
    draws = random.Random(seed)
    drawn = [[*draws.choices(WORDS, k=9), str(draws.randint(2, 999))] for _ in range(sentences)]
    for words in drawn:
        draws.shuffle(words)
    return " ".join(f"{' '.join(words)}." for words in drawn)


def changed(text: str, seed: int) -> str:
    """With a tenth of its words replaced."""
    draws, words = random.Random(seed), text.split()
    for place in draws.sample(range(len(words)), len(words) // 10):
        words[place] = draws.choice(WORDS)
    return " ".join(words)


def reordered(text: str, seed: int) -> str:
    first, *others = text.removesuffix(".").split(". ")
    return ". ".join([*others, first]) + "."


def beside(count: int) -> Any:
    return lambda text, seed: " ".join([problem(seed + 10_000), text, *map(problem, range(20_000, 20_000 + count - 1))])


MAKES: list[tuple[str, Any, float]] = [
    ("words changed", changed, 0.98),
    ("sentences reordered", reordered, 0.95),
    ("respelled", lambda text, seed: text.upper().replace(" ", "  ").replace(".", " ;"), 0.99),
    ("embedded beside one", beside(1), 0.95),
    ("embedded beside two", beside(2), 0.95),
    ("embedded beside three", beside(3), 0.95),
    ("with a heading", lambda text, seed: f"Problem {seed}. {text}", 0.98),
]


def rows(*problems: str) -> list[Row]:
    return [{"id": f"{place:04}", "problem": text} for place, text in enumerate(problems)]


def through(step: Dedup, given: Sequence[Row]) -> tuple[list[Row], dict[str, Drop]]:
    """The rows that stay, and the drops by id of the row."""
    stayed: list[Row] = []
    left: dict[str, Drop] = {}
    for row in given:
        found = called.apply(step, row)
        assert not isinstance(found, Drop)
        if isinstance(found, Dropped):
            left[found.row["id"]] = found.drop
        else:
            stayed += found
    for one in called.finish(step):
        if isinstance(one, Dropped):
            left[one.row["id"]] = one.drop
        elif one is not None:
            stayed.append(one)
    called.close(step)
    return stayed, left


@pytest.mark.parametrize(("make", "least"), [row[1:] for row in MAKES], ids=[row[0] for row in MAKES])
@pytest.mark.parametrize("copies_first", [False, True], ids=["after", "before"])
def test_planted_copies_are_found_and_nothing_else(make: Any, least: float, copies_first: bool, tmp_path: Path) -> None:
    originals = [problem(seed) for seed in range(150)]
    copies = [make(text, seed) for seed, text in enumerate(originals)]
    stayed, left = through(Dedup(tmp_path), rows(*(copies + originals if copies_first else originals + copies)))
    assert len(stayed) + len(left) == 300
    assert all(int(name) >= 150 for name in left)
    assert len(left) >= least * 150
    right = sum(int(drop.details["copy_of"]) == int(name) - 150 for name, drop in left.items())
    assert right >= least * 150


def test_problems_of_one_template_are_no_copies(tmp_path: Path) -> None:
    draws = random.Random(1)
    numbers = {tuple(draws.randint(2, 40) for _ in range(4)) for _ in range(600)}
    template = "{} has {} {} and buys {} more every week. After {} weeks {} of them are lost. How many {} are left?"

    def filled(a: int, b: int, c: int, d: int) -> str:
        thing = draws.choice(["pens", "hats", "kites"])
        return template.format(draws.choice(["Ada", "Tom", "Uma"]), a, thing, b, c, d, thing)

    step = Dedup(tmp_path)
    stayed, left = through(step, rows(*(filled(*one) for one in sorted(numbers))))
    assert len(left) <= 0.001 * len(stayed)
    summary = step.summary()["copies"]
    assert summary["alike_but_for_numbers"] > 300
    assert 0.5 < summary["alike_but_for_numbers_share"] < 1
    assert summary["capped"] > 0


SHORT_TEMPLATES = [
    "What is {a} + {b}?",
    "Find all primes below {a}.",
    "How many zeros does {a}! end in?",
    "Solve ${v}^2 - {a}{v} + {b} = 0$ for ${v}$.",
    "Tom is {a} years old. How old will he be in {b} years?",
    "Find the remainder when $7^{{{a}}}$ is divided by 13.",
    "{n} has {a} {t}. {n} gives {b} of them away. How many {t} are left?",
    "What is the units digit of {a}^{b}?",
]


@pytest.mark.parametrize("best", [False, True], ids=["as they come", "the best"])
@pytest.mark.parametrize("template", SHORT_TEMPLATES)
def test_short_problems_of_one_template_with_one_or_two_numbers_are_no_copies(
    template: str, best: bool, tmp_path: Path
) -> None:
    draws, made = random.Random(2), dict[str, str]()
    for a, b in ((a, b) for a in range(2, 40) for b in range(2, 9)):
        names = {"v": draws.choice("nxyz"), "n": draws.choice(["Ada", "Tom"]), "t": draws.choice(["pens", "hats"])}
        numbers = template.format(a=a, b=b, **dict.fromkeys(names))
        made.setdefault(numbers, template.format(a=a, b=b, **names))
    _, left = through(Dedup(tmp_path, best=best), rows(*made.values()))
    assert not left


def test_a_drop_names_the_row_that_stays_the_rule_and_the_similarity(tmp_path: Path) -> None:
    one, two = problem(1), changed(problem(1), 5)
    stayed, left = through(Dedup(tmp_path), rows(one, two, one.upper(), f"{problem(2)} {one}", two))
    assert [row["id"] for row in stayed] == ["0000"]
    assert {name: (drop.reason, drop.details["copy_of"], drop.details["rule"]) for name, drop in left.items()} == {
        "0001": ("near copy", "0000", "edit"),
        "0002": ("exact copy", "0000", "exact"),
        "0003": ("embedded copy", "0000", "containment"),
        "0004": ("near copy", "0000", "edit"),
    }
    assert 0.85 <= left["0001"].details["similarity"] < 1


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 4, 0, 3, 1]])
def test_over_a_file_the_best_judged_copy_stays_then_the_smallest_id(order: list[int], tmp_path: Path) -> None:
    text = problem(1)
    given: list[Row] = [
        {"id": "e", "problem": text, "judgements": {"a": "perfect", "b": "perfect"}},
        {"id": "b", "problem": changed(text, 3), "judgements": {"a": "perfect", "b": "bad"}},
        {"id": "c", "problem": text, "judgement": "perfect", "ratings": {"format": "bad"}},
        {"id": "a", "problem": text},
        {"id": "d", "problem": text, "judgements": {"a": "perfect", "b": "perfect"}},
    ]
    stayed, left = through(Dedup(tmp_path, best=True), [given[place] for place in order])
    assert [row["id"] for row in stayed] == ["d"]
    assert {name: drop.details["copy_of"] for name, drop in left.items()} == dict.fromkeys("abce", "d")
    names = [given[place]["id"] for place in order]
    assert [*left] == [name for name in names if name != "d"]


@pytest.mark.parametrize("masked", [False, True])
def test_rows_that_are_looked_up_together_are_treated_as_one_by_one(masked: bool, tmp_path: Path) -> None:
    texts = [MAKES[seed % len(MAKES)][1](problem(seed // 3), seed) for seed in range(400)]
    texts += [f"{place} of the {place + 2} apples that {problem(7, 1)} are red" for place in range(300)]
    one_by_one = Dedup(tmp_path / "a", mask_numbers=masked)
    together = Dedup(tmp_path / "b", mask_numbers=masked, best=True)
    assert through(one_by_one, rows(*texts)) == through(together, rows(*texts))
    assert one_by_one.summary() == together.summary()
    assert len(one_by_one.summary()["copies"]["rules"]) > 1


def test_other_work_has_its_turn_while_held_rows_are_compared(tmp_path: Path) -> None:
    step = Dedup(tmp_path, best=True)
    for row in rows(*map(problem, range(1200))):
        step.apply(row)
    found = list(step.finish())
    assert found[:3] == [None] * 3
    assert None not in found[3:]
    step.close()


def test_numbers_make_problems_different_unless_they_are_masked(tmp_path: Path) -> None:
    one = problem(1)
    other = "".join(str(9 - int(sign)) if sign.isdecimal() else sign for sign in one)
    step, masking = Dedup(tmp_path / "a"), Dedup(tmp_path / "b", mask_numbers=True)
    assert not through(step, rows(one, other))[1]
    assert step.summary()["copies"]["alike_but_for_numbers"] == 1
    drop = through(masking, rows(one, other))[1]["0001"]
    assert (drop.reason, drop.details["rule"]) == ("near copy", "numbers")
    assert masking.summary()["copies"]["alike_but_for_numbers"] == 1


def test_vectors_find_what_words_do_not_and_leave_the_rows(tmp_path: Path) -> None:
    def row(name: str, text: str, *vector: float) -> Row:
        return {"id": name, "problem": text, FIELD: as_text(np.array(vector, np.float32))}

    given = [
        row("a", "How many primes are below 50?", 1, 0, 0.1),
        row("b", "Count those numbers under 50 that have precisely two divisors.", 1, 0, 0.12),
        row("c", "Count those numbers under 60 that have precisely two divisors.", 1, 0, 0.11),
        row("d", "Find the area of a square of side 50.", 0, 1, 0),
    ]
    for best in (False, True):
        stayed, left = through(Dedup(tmp_path / str(best), semantic=0.95, best=best), given)
        assert [row["id"] for row in stayed] == ["a", "c", "d"]
        assert not any(FIELD in row for row in stayed)
        assert left["b"].reason == "semantic copy"
        assert left["b"].details["copy_of"] == "a"


ODD: list[tuple[str, str]] = [
    ("empty", ""),
    ("blank", " \n "),
    ("no words", "$$ {} $$"),
    ("dots", ". , ; ?"),
]


@pytest.mark.parametrize("best", [False, True], ids=["as they come", "the best"])
@pytest.mark.parametrize("text", [row[1] for row in ODD], ids=[row[0] for row in ODD])
def test_a_problem_without_text_is_left_out_as_such(text: str, best: bool, tmp_path: Path) -> None:
    given = [{"id": "1", "problem": text, "prompt": "write a problem"}, {"id": "2", "problem": text, "prompt": "x"}]
    stayed, left = through(Dedup(tmp_path, best=best), given)
    assert not stayed
    assert {drop.reason for drop in left.values()} == {"no problem text"}


@pytest.mark.parametrize("row", [{"text": "x"}, {"problem": None}, {"problem": 5}, {"problem": ["x"], "prompt": " "}])
def test_a_row_without_a_problem_is_left_out_as_such(row: Row, tmp_path: Path) -> None:
    _, left = through(Dedup(tmp_path), [{"id": "1", **row}])
    assert left["1"].reason == "no problem text"


def test_other_fields_stay_as_they_are(tmp_path: Path) -> None:
    given = {"id": "1", "problem": problem(1), "vector": [1, 2], FIELD: "mine", "deep": {"a": [None]}}
    for best in (False, True):
        stayed, _ = through(Dedup(tmp_path / str(best), best=best), [given])
        assert stayed == [given]


@pytest.mark.parametrize("best", [False, True])
def test_rows_that_are_all_equal_leave_one(best: bool, tmp_path: Path) -> None:
    stayed, left = through(Dedup(tmp_path, best=best), [{"id": f"{n:05}", "problem": problem(1)} for n in range(3000)])
    assert [row["id"] for row in stayed] == ["00000"]
    assert len(left) == 2999


@pytest.mark.parametrize(
    "text",
    [
        "求所有满足方程的正整数之和，其中每个数都小于一百。",
        "Найдите сумму всех натуральных чисел, меньших ста.",
        r"$x^2+y^2=z^2$",
        "\ud800",
        "word " * 20_000,
        "".join(f"w{n} " for n in range(15_000)),
    ],
    ids=["Chinese", "Russian", "formula", "half a surrogate", "one word", "long"],
)
def test_any_text_is_kept_once(text: str, tmp_path: Path) -> None:
    stayed, left = through(Dedup(tmp_path), rows(text, problem(1), f"{text} ", problem(2)))
    assert [row["id"] for row in stayed] == ["0000", "0001", "0003"]
    assert left["0002"].reason == "exact copy"


def test_the_index_takes_at_most_a_kilobyte_a_row(tmp_path: Path) -> None:
    step = Dedup(tmp_path)
    through(step, rows(*(problem(seed, 10) for seed in range(1500))))
    assert step._copies.size <= 1024 * len(step._copies)
