"""Steps counted in rows: which rows each takes, and that processes share them evenly and without losing any."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptcot.training.data.packing import order
from promptcot.training.data.steps import share, share_padded, steps


def of(lengths: list[int]) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.array(lengths, np.int32)


def test_a_step_takes_the_next_rows_and_the_last_of_an_epoch_what_is_left() -> None:
    found = steps(10, 2.0, seed=3, per_step=4)
    assert [len(rows) for rows in found] == [4, 4, 2, 4, 4, 2]
    assert np.concatenate(found).tolist() == order(10, 2.0, 3).tolist()


def test_the_published_run_has_the_published_number_of_steps() -> None:
    assert len(steps(406_000, 2, seed=8000, per_step=64)) == 12_688


@pytest.mark.parametrize(
    ("epochs", "wanted", "sizes"),
    [
        (1.5, None, [4, 4, 2, 4, 1]),
        (0.1, None, [1]),
        (1.0, 5, [4, 4, 2, 4, 4]),
        (9.0, 3, [4, 4, 2]),
        (9.0, 2, [4, 4]),
    ],
)
def test_parts_of_epochs_and_a_number_of_steps(epochs: float, wanted: int | None, sizes: list[int]) -> None:
    assert [len(rows) for rows in steps(10, epochs, 3, 4, wanted)] == sizes


CASES = st.integers(1, 40).flatmap(
    lambda window: st.tuples(
        st.just(window), st.lists(st.integers(1, window), min_size=1, max_size=40), st.integers(1, 9)
    )
)


@given(CASES)
def test_every_row_is_computed_once_in_as_many_micro_batches_on_each_process(case: tuple[int, list[int], int]) -> None:
    window, lengths, processes = case
    shared = share(of(lengths), window, processes)
    assert len(shared) == processes
    assert len({len(part) for part in shared}) == 1
    parts = [places.tolist() for part in shared for places in part]
    assert sorted(place for places in parts for place in places) == list(range(len(lengths)))
    assert all(sum(lengths[place] for place in places) <= window for places in parts)
    for number in range(len(shared[0])):
        assert any(len(part[number]) for part in shared)  # no round is without work


@given(st.integers(1, 60), st.integers(1, 4), st.integers(1, 9))
def test_padded_rows_keep_their_order_and_share_alike(count: int, together: int, processes: int) -> None:
    shared = share_padded(of([1] * count), together, processes)
    assert {len(part) for part in shared} == {-(-count // (together * processes))}
    assert sorted(place for part in shared for places in part for place in places) == list(range(count))
    assert all(len(places) <= together for part in shared for places in part)


def test_there_are_no_more_rounds_than_packs_need_and_these_are_filled_evenly() -> None:
    lengths = np.random.default_rng(1).integers(1000, 8000, 64, np.int32)
    shared = share(lengths, 16384, 8)
    assert len(shared[0]) == -(-int(lengths.sum()) // (16384 * 8))
    sizes = [[int(lengths[places].sum()) for places in part] for part in shared]
    for at_once in zip(*sizes, strict=True):
        assert max(at_once) - min(at_once) < 0.1 * max(at_once)
    totals = [sum(part) for part in sizes]
    assert max(totals) - min(totals) < 0.05 * max(totals)


def test_where_even_filling_overflows_the_packs_are_taken_as_they_are() -> None:
    [[one, two]] = share(of([3, 3, 2, 2, 2]), 6, 1)
    assert (one.tolist(), two.tolist()) == ([0, 1], [2, 3, 4])


def test_a_process_without_rows_gets_an_empty_micro_batch() -> None:
    assert [[places.tolist() for places in part] for part in share(of([5, 9]), 10, 3)] == [[[1]], [[0]], [[]]]
