"""Even coverage of concepts: the heap chooses the same problems as an exhaustive search."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from promptcot.core.selection.coverage import covering


def arrays(rows: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    starts = np.concatenate(([0], np.cumsum([len(row) for row in rows]))).astype(np.int64)
    return starts, np.array([one for row in rows for one in row], dtype=np.int32)


def by_looking_at_all(rows: list[list[int]], cells: list[int], quotas: list[int]) -> list[int]:
    times: dict[int, int] = {}
    chosen: list[int] = []
    left = list(quotas)
    while True:
        open_ = [place for place in range(len(rows)) if place not in chosen and left[cells[place]]]
        if not open_:
            return chosen
        best = max(open_, key=lambda place: (sum(Fraction(1, 1 + times.get(one, 0)) for one in rows[place]), -place))
        chosen.append(best)
        left[cells[best]] -= 1
        for one in rows[best]:
            times[one] = times.get(one, 0) + 1


@pytest.mark.parametrize("seed", range(8))
def test_it_takes_what_adds_most_each_time(seed: int) -> None:
    draws = np.random.default_rng(seed)
    rows = [sorted(set(draws.zipf(1.5, draws.integers(0, 6)) % 8)) for _ in range(40)]
    cells = draws.integers(0, 2, len(rows))
    found = covering(*arrays([list(map(int, row)) for row in rows]), cells, [9, 6])
    expected = by_looking_at_all([list(map(int, row)) for row in rows], cells.tolist(), [9, 6])
    assert _sums(rows, found.tolist()) == _sums(rows, expected), "ties within 2^-24 may fall another way"
    assert np.bincount(cells[found], minlength=2).tolist() == [9, 6]


def _sums(rows: list[list[int]], chosen: list[int]) -> list[Fraction]:
    """What each of them added when it was taken."""
    times: dict[int, int] = {}
    found = []
    for place in chosen:
        found.append(sum((Fraction(1, 1 + times.get(one, 0)) for one in rows[place]), Fraction()))
        for one in rows[place]:
            times[one] = times.get(one, 0) + 1
    return found


def test_rare_concepts_come_before_more_of_the_frequent_ones() -> None:
    rows = [[0, 1], [0, 1], [0, 1], [2, 3], [0, 4]]
    assert covering(*arrays(rows), np.zeros(5, dtype=np.int64), [3]).tolist() == [0, 3, 4]


def test_problems_without_concepts_are_taken_last_and_in_order() -> None:
    rows: list[list[int]] = [[], [], [5], []]
    assert covering(*arrays(rows), np.zeros(4, dtype=np.int64), [3]).tolist() == [2, 0, 1]


class Counted(np.ndarray):
    """Concepts that count how often a problem's are looked at."""

    times = 0

    def __getitem__(self, key: Any) -> Any:
        Counted.times += 1
        return super().__getitem__(key)


def test_a_large_set_is_as_even_and_its_time_does_not_grow_with_the_square_of_its_problems() -> None:
    concepts = np.random.default_rng(1).integers(0, 50, 5 * 6000).astype(np.int32)
    found = covering(np.arange(0, 5 * 6000 + 1, 5), concepts.view(Counted), np.zeros(6000, dtype=np.int64), [3000])
    times = np.bincount(concepts.reshape(-1, 5)[found].ravel())
    assert len(set(found.tolist())) == 3000
    assert times.max() - times.min() <= 0.1 * times.mean()
    assert Counted.times <= 200 * 6000, "looking for the very most each time takes 340 looks a problem"


def test_none_of_them_has_concepts() -> None:
    assert covering(*arrays([[], []]), np.zeros(2, dtype=np.int64), [1]).tolist() == [0]
