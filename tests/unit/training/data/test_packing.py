"""Packs: complete, never too long, nearly full, and their order in training."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptcot.training.data.packing import order, pack
from tests.programs import computing_at_most


def of(*lengths: int) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.array(lengths, np.int32)


@given(st.integers(1, 40).flatmap(lambda w: st.tuples(st.just(w), st.lists(st.integers(1, w), max_size=60))))
def test_every_row_is_in_one_pack_and_none_is_too_long(case: tuple[int, list[int]]) -> None:
    window, lengths = case
    packs = pack(of(*lengths), window)
    assert sorted(row for rows in packs for row in rows) == list(range(len(lengths)))
    assert all(sum(lengths[row] for row in rows) <= window for rows in packs)
    assert all(np.all(np.diff(rows) > 0) for rows in packs)
    assert [rows.tolist() for rows in pack(of(*lengths), window)] == [rows.tolist() for rows in packs]


def slow(lengths: list[int], window: int) -> list[int]:
    """Best-fit decreasing word for word: how full each pack is in the end."""
    packs: list[int] = []
    for length in sorted(lengths, reverse=True):
        fitting = [place for place, used in enumerate(packs) if used + length <= window]
        if fitting:
            packs[max(fitting, key=lambda place: packs[place])] += length
        else:
            packs.append(length)
    return sorted(packs)


@given(st.integers(1, 30).flatmap(lambda w: st.tuples(st.just(w), st.lists(st.integers(1, w), max_size=40))))
def test_packs_are_as_full_as_those_of_the_slow_algorithm(case: tuple[int, list[int]]) -> None:
    window, lengths = case
    assert sorted(sum(lengths[row] for row in rows) for rows in pack(of(*lengths), window)) == slow(lengths, window)


@pytest.mark.parametrize(("mean", "sigma"), [(2000, 0.8), (6000, 0.8), (400, 1.2), (12000, 1.0)])
def test_packs_of_log_normal_lengths_are_nearly_as_few_as_can_be(mean: int, sigma: float) -> None:
    window, rng = 16384, np.random.default_rng(1)
    lengths = np.clip(rng.lognormal(np.log(mean), sigma, 20_000), 1, window).astype(np.int32)
    at_least = max(-(-int(lengths.sum(dtype=np.int64)) // window), int((lengths > window // 2).sum()))
    assert at_least / len(pack(lengths, window)) >= 0.97


def test_the_time_of_packing_does_not_grow_with_the_square_of_the_rows() -> None:
    lengths = np.random.default_rng(2).integers(1, 16385, 200_000, np.int32)
    with computing_at_most():
        packs = pack(lengths, 16384)
    assert sum(map(len, packs)) == len(lengths)


def test_no_rows_make_no_packs() -> None:
    assert pack(of(), 8) == []


@pytest.mark.parametrize("length", [0, 9])
def test_a_length_that_no_pack_can_hold_is_an_error(length: int) -> None:
    with pytest.raises(ValueError, match="from 1 to 8"):
        pack(of(3, length), 8)


def test_each_epoch_holds_everything_once_in_an_order_of_its_own() -> None:
    chosen = order(50, 2.5, seed=7)
    epochs = chosen[:50].tolist(), chosen[50:100].tolist(), chosen[100:].tolist()
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(50))
    assert epochs[0] != epochs[1]
    assert len(set(epochs[2])) == 25
    assert chosen.tolist() == order(50, 2.5, seed=7).tolist() != order(50, 2.5, seed=8).tolist()


def test_as_many_as_wanted_are_drawn_whatever_the_epochs() -> None:
    assert order(50, 1.0, 7, wanted=120).tolist() == order(50, 3.0, 7).tolist()[:120]
    assert len(order(50, 1.0, 7, wanted=3)) == 3
