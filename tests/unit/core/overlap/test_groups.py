"""Groups of rows by shared concepts and similar texts, against a comparison of all pairs."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from promptcot.core.overlap import groups as module
from promptcot.core.overlap.drawing import draw, met
from promptcot.core.overlap.groups import WIDTH, Concepts, Groups, crossing, join_by_concepts, join_by_texts


class InMemory:
    """Signatures in an array."""

    def __init__(self, array: NDArray[np.uint8]) -> None:
        self._array = array

    def __len__(self) -> int:
        return len(self._array)

    def columns(self, first: int, width: int) -> NDArray[np.uint8]:
        return self._array[:, np.arange(first, first + width) % WIDTH]

    def rows(self, places: NDArray[np.integer]) -> NDArray[np.uint8]:
        return self._array[places]


def components(rows: int, joined: Callable[[int, int], bool]) -> list[int]:
    """The first row of the group of each row, by comparing all pairs until nothing changes."""
    heads = list(range(rows))
    changed = True
    while changed:
        changed = False
        for one, other in combinations(range(rows), 2):
            if heads[one] != heads[other] and joined(one, other):
                heads[one] = heads[other] = min(heads[one], heads[other])
                changed = True
            elif joined(one, other):
                heads[one] = heads[other] = min(heads[one], heads[other])
    return heads


def partition(heads: Sequence[int]) -> set[frozenset[int]]:
    found: dict[int, set[int]] = {}
    for row, head in enumerate(heads):
        found.setdefault(head, set()).add(row)
    return {*map(frozenset, found.values())}


def jaccard(one: Sequence[int], other: Sequence[int]) -> float:
    return len({*one} & {*other}) / len({*one} | {*other}) if one and other else 0.0


@pytest.mark.parametrize("least", [0.5, 0.6, 0.75, 1.0])
@pytest.mark.parametrize(("sizes", "known"), [((5,), 12), ((2, 3), 9), ((1, 2, 3, 4, 5, 6, 7, 8), 14), ((0, 1, 5), 9)])
def test_rows_that_share_so_many_concepts_are_in_one_group_and_no_others(
    least: float, sizes: tuple[int, ...], known: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_KEYS_AT_ONCE", 50)  # several parts
    draw = random.Random(f"{least} {sizes}")
    names = [draw.randrange(1 << 63) for _ in range(known)]
    sets = [draw.sample(names, draw.choice(sizes)) for _ in range(60)]
    groups = Groups(len(sets))
    join_by_concepts(groups, Concepts(sets), least)
    wanted = components(len(sets), lambda one, other: jaccard(sets[one], sets[other]) >= least - 1e-9)
    assert partition(groups.heads().tolist()) == partition(wanted)


def test_concepts_count_once_in_any_order_and_rows_without_them_stay_alone() -> None:
    concepts = Concepts([[3, 1, 2], [2, 3, 1, 1], []])
    concepts.add([[], [9]])
    groups = Groups(5)
    join_by_concepts(groups, concepts, 1.0)
    assert groups.heads().tolist() == [0, 0, 2, 3, 4]
    assert concepts.without == 2


def test_of_very_many_concepts_some_stand_for_all() -> None:
    groups = Groups(3)
    join_by_concepts(groups, Concepts([range(1, 300), range(1, 300), range(1000, 1300)]), 0.5)
    assert groups.heads().tolist() == [0, 0, 2]


def signatures(shares: Sequence[tuple[int, float]], seed: int = 0) -> InMemory:
    """One at random for each (of, share): of which so much is that of row `of`."""
    generator = np.random.default_rng(seed)
    found = generator.integers(0, 256, (len(shares), WIDTH), np.uint8)
    for row, (of, share) in enumerate(shares):
        kept = generator.permutation(WIDTH)[: round(share * WIDTH)]
        found[row, kept] = found[of, kept]
    return InMemory(found)


def test_texts_that_are_alike_are_in_one_group_also_in_a_chain() -> None:
    found = signatures([(0, 1), (0, 0.8), (1, 0.8), (3, 1), (3, 0.3), (5, 1)])
    groups = Groups(6)
    join_by_texts(groups, found, 0.6)
    assert groups.heads().tolist() == [0, 0, 0, 3, 4, 5]


def test_a_family_of_alike_texts_among_many_is_found_whole() -> None:
    groups, found = Groups(3000), signatures([(row % 300 if row < 1500 else row, 0.75) for row in range(3000)])
    join_by_texts(groups, found, 0.6)
    sizes = np.bincount(groups.heads(), minlength=3000)
    assert (sizes[:300] == 5).all()
    assert sizes[1500:].max() == 1


def test_what_is_like_a_row_that_was_held_out_is_found_among_all_others() -> None:
    found = signatures([(0, 1), (1, 1), *[(0, 0.7)] * 40, *[(1, 0.3)] * 40, *[(90, 0.5)] * 20])
    splits = np.array([1, 2, *[0] * 100], np.uint8)
    assert crossing(found, splits, 0.6).tolist() == [0, 0, *[1] * 40, *[0] * 60]
    assert not crossing(found, np.zeros(102, np.uint8), 0.6).any()


def test_of_two_splits_that_were_held_out_the_later_one_gives_way() -> None:
    found = signatures([(0, 1), (0, 0.8), (0, 0.8), (3, 1)])
    assert crossing(found, np.array([1, 2, 1, 2], np.uint8), 0.6).tolist() == [0, 1, 0, 0]


def keys(rows: int) -> NDArray[np.uint64]:
    return np.random.default_rng(1).integers(0, 1 << 63, rows, np.uint64)


@pytest.mark.parametrize("rows", [2, 10, 1000])
def test_splits_have_what_was_wanted_and_no_group_is_divided(rows: int) -> None:
    heads = np.sort(np.random.default_rng(2).integers(0, rows // 2 + 1, rows)).astype(np.int32)
    wanted = [rows // 10, rows // 5]
    found = draw(heads, keys(rows), wanted)
    assert all(len({*found[heads == head].tolist()}) == 1 for head in heads)
    for split, most in enumerate(wanted, 1):
        assert met(int((found == split).sum()), most)
        assert (found == split).sum() <= most


def test_a_row_that_is_added_moves_few_others() -> None:
    heads, its = np.arange(1000, dtype=np.int32), keys(1000)
    before, after = draw(heads[:-1], its[:-1], [100]), draw(heads, its, [100])
    assert (before != after[:-1]).sum() <= 1


def test_a_group_that_is_too_large_stays_in_train_and_fills_a_split_only_where_smaller_ones_do_not_suffice() -> None:
    heads = np.array([0] * 90 + [90] * 5 + list(range(95, 100)), np.int32)
    assert np.flatnonzero(draw(heads, keys(100), [5])).tolist() == list(range(95, 100))
    assert np.flatnonzero(draw(heads, keys(100), [10])).tolist() == list(range(90, 100))
    assert not met(int(np.count_nonzero(draw(heads, keys(100), [50]))), 50)


def test_one_text_many_times_over_takes_no_more_than_a_moment() -> None:
    found = signatures([(0, 1.0)] * 20_000)
    groups, splits = Groups(20_000), np.zeros(20_000, np.uint8)
    join_by_texts(groups, found, 0.6)
    assert not groups.heads().any()
    splits[:5000] = 1
    assert crossing(found, splits, 0.6)[5000:].all()
