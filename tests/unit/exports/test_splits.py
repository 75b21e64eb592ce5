"""Splits: similar problems are in one split, the shares are met, and the order of the rows does not matter."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from promptcot.core.overlap.near import Text
from promptcot.core.overlap.shingles import jaccard as shingles_jaccard
from promptcot.errors import UsageError
from promptcot.exports.examples import Example
from promptcot.exports.splits import Shares, divided
from promptcot.records import Message

WORDS = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in ("n", "ra", "st", "lo")]
SETS = {"five of a large catalogue": (5, 400), "two or three of a small one": (3, 60)}


def example(name: str, problem: str, concepts: Sequence[str] | None = None) -> Example:
    extra = {"foundational_concepts": None if concepts is None else [*concepts]}
    return Example(name, problem, (Message("user", problem),), problem, "4", extra=extra)


def problem(draw: random.Random, words: int = 40) -> str:
    return " ".join(draw.choices(WORDS, k=words))


def examples(size: int, known: int, rows: int, seed: int = 0) -> list[Example]:
    draw = random.Random(seed)
    names = [f"concept {number}" for number in range(known)]
    return [example(f"p{n}", problem(draw), draw.sample(names, draw.randint(2, size))) for n in range(rows)]


def split(found: Sequence[Example], shares: Shares, folder: Path) -> tuple[dict[str, str], list[str]]:
    """The split of each example by its id, or why it is left out; and what is told."""
    lines: list[str] = []
    folder.mkdir(exist_ok=True)
    chunks = (list(found[first : first + 100]) for first in range(0, len(found), 100))
    by_id = {
        one.id: where
        for chunk, splits in divided(chunks, shares, folder, lines.append)
        for one, where in zip(chunk, splits, strict=True)
    }
    assert by_id.keys() == {one.id for one in found}
    return by_id, lines


def shared(one: Example, other: Example) -> float:
    sets = [set(its.extra["foundational_concepts"] or ()) for its in (one, other)]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1]) if all(sets) else 0.0


@pytest.mark.parametrize(("size", "known"), SETS.values(), ids=SETS)
def test_no_two_splits_share_half_of_their_concepts_and_the_shares_are_met(
    size: int, known: int, tmp_path: Path
) -> None:
    found = examples(size, known, 600)
    where, lines = split(found, Shares(0.1, 0.05), tmp_path)
    counts = Counter(where.values())
    assert abs(counts["validation"] - 60) <= 6
    assert abs(counts["test"] - 30) <= 3
    assert counts["train"] >= 500
    held = [one for one in found if where[one.id] in ("validation", "test")]
    for one in held:
        assert all(shared(one, other) < 0.5 for other in found if where[other.id] not in (where[one.id], "left"))
    assert lines[0].startswith("splits: ")


def test_near_copies_are_on_one_side_whatever_their_concepts(tmp_path: Path) -> None:
    draw = random.Random(3)
    found = []
    for number in range(150):
        words = problem(draw).split()
        for copy in range(3):
            changed = [*words]
            for place in draw.sample(range(len(words)), 4 * copy):
                changed[place] = draw.choice(WORDS)
            concepts = [f"{number}-{copy}-{place}" for place in range(5)]
            found.append(example(f"{number}-{copy}", " ".join(changed), concepts))
    where, _ = split(found, Shares(0.2, 0.1), tmp_path)
    texts = {one.id: Text.of(str(one.problem)) for one in found}
    for one in found:
        for other in found:
            if {where[one.id], where[other.id]} <= {"train", "validation", "test"} and where[one.id] != where[other.id]:
                assert shingles_jaccard(texts[one.id].short, texts[other.id].short) < 0.6, (one.id, other.id)
    assert Counter(where.values())["validation"] >= 0.9 * 90


def test_the_order_of_the_rows_decides_nothing_and_the_seed_does(tmp_path: Path) -> None:
    found = examples(5, 400, 400)
    mixed = random.Random(1).sample(found, len(found))
    first, _ = split(found, Shares(0.1), tmp_path / "a")
    assert split(mixed, Shares(0.1), tmp_path / "b")[0] == first
    assert split(found, Shares(0.1, seed=9), tmp_path / "c")[0] != first


def test_where_all_hangs_together_a_stricter_degree_counts_and_it_is_said(tmp_path: Path) -> None:
    found = examples(3, 8, 300)
    where, lines = split(found, Shares(0.1), tmp_path)
    assert Counter(where.values())["validation"] >= 27
    assert "one group of similar problems (a similarity of concepts or texts of at least 0.5) has" in " ".join(lines)
    sets = {frozenset(one.extra["foundational_concepts"]): where[one.id] for one in found}
    assert all(sets[frozenset(one.extra["foundational_concepts"])] == where[one.id] for one in found)


def test_one_group_that_is_all_leaves_nothing_to_hold_out_and_it_is_said_with_numbers(tmp_path: Path) -> None:
    draw = random.Random(1)
    found = [example(f"p{n}", problem(draw), ["a", "b"]) for n in range(200)]
    where, lines = split(found, Shares(0.1), tmp_path)
    assert {*where.values()} == {"train"}
    assert "validation has 0 of the 20 requested rows" in " ".join(lines)
    assert "the largest has 200" in " ".join(lines)


def test_rows_without_concepts_are_divided_by_their_texts_and_it_is_said(tmp_path: Path) -> None:
    draw = random.Random(2)
    texts = [problem(draw) for _ in range(100)]
    found = [example(f"{place}-{copy}", text) for place, text in enumerate(texts) for copy in range(2)]
    where, lines = split(found, Shares(0.2), tmp_path)
    assert all(where[f"{place}-0"] == where[f"{place}-1"] for place in range(100))
    assert "200 of 200 rows have no concepts" in " ".join(lines)


def test_problems_without_a_word_are_no_copies_of_each_other(tmp_path: Path) -> None:
    found = [example(f"p{n}", "?" * (n + 1)) for n in range(40)]
    assert Counter(split(found, Shares(0.25), tmp_path)[0].values()) == {"train": 30, "validation": 10}


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 4])
def test_few_rows_are_divided_as_well(rows: int, tmp_path: Path) -> None:
    where, _ = split(examples(5, 400, rows), Shares(0.1, 0.1), tmp_path)
    assert Counter(where.values())["train"] == (rows if rows < 4 else 2)


def test_a_split_that_gets_no_row_is_named(tmp_path: Path) -> None:
    _, lines = split(examples(5, 400, 2), Shares(0.1), tmp_path)
    assert "splits: validation has no rows: 0.1 of 2 rows is less than one" in lines
    where, lines = split(examples(5, 400, 2), Shares(0.49, 0.5), tmp_path)
    assert {*where.values()} == {"validation", "test"}
    assert "splits: train has no rows, because all of them are held out; choose smaller shares" in lines


def test_without_shares_all_is_for_training_and_nothing_waits(tmp_path: Path) -> None:
    where, lines = split(examples(5, 400, 50), Shares(), tmp_path)
    assert {*where.values()} == {"train"}
    assert (lines, [*tmp_path.iterdir()]) == ([], [])


@pytest.mark.parametrize(("validation", "test"), [(-0.1, 0), (0.5, 0.5), (1, 0), (0, 1.5), (float("nan"), 0)])
def test_shares_that_leave_nothing_for_training_are_refused(validation: float, test: float) -> None:
    with pytest.raises(UsageError, match="together below 1"):
        Shares(validation, test)
