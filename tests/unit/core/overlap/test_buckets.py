"""Rows by their hashes, against a dictionary that does the same."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from promptcot.core.overlap.buckets import Buckets


def array(*hashes: int) -> NDArray[np.uint32]:
    return np.array(hashes, np.uint32)


def add(buckets: Buckets, row: int, hashes: NDArray[np.uint32]) -> None:
    buckets.add(np.full(len(hashes), row), hashes)


def test_rows_are_found_by_each_hash_that_they_have_as_the_table_grows() -> None:
    rng = np.random.default_rng(3)
    buckets, known = Buckets(1000), defaultdict(set)
    for row in range(3000):
        hashes = np.unique(rng.integers(0, 9000, 7).astype(np.uint32) * np.uint32(477_218_588))
        add(buckets, row, hashes)
        for one in hashes.tolist():
            known[one].add(row)
    assert len(buckets) == sum(map(len, known.values()))
    for one, rows in known.items():
        hits = buckets.find(array(one))
        assert sorted(hits.rows.tolist()) == sorted(rows)
        assert not len(hits.unseen)


def test_it_is_told_which_hash_was_met() -> None:
    buckets = Buckets(10)
    add(buckets, 4, array(7, 8))
    add(buckets, 5, array(8, 9))
    hits = buckets.find(array(9, 1, 8))
    assert sorted(zip(hits.of.tolist(), hits.rows.tolist(), strict=True)) == [(0, 5), (2, 4), (2, 5)]


def test_of_a_hash_that_many_have_the_latest_rows_are_found_and_it_is_told() -> None:
    buckets = Buckets(10)
    for row in range(100):
        add(buckets, row, array(7))
    hits = buckets.find(array(8, 7))
    assert sorted(hits.rows) == list(range(90, 100))
    assert hits.unseen.tolist() == [1]


def test_rows_may_be_added_together() -> None:
    one_by_one, together = Buckets(3), Buckets(3)
    rows = np.repeat(np.arange(200), 3)
    hashes = np.random.default_rng(5).integers(0, 40, 600).astype(np.uint32)
    for row, one in zip(rows.tolist(), hashes.tolist(), strict=True):
        add(one_by_one, row, array(one))
    together.add(rows, hashes)
    for one in range(40):
        assert one_by_one.find(array(one)).rows.tolist() == together.find(array(one)).rows.tolist()


def test_nothing_is_found_in_nothing() -> None:
    assert not len(Buckets(10).find(array()).rows)
    assert not len(Buckets(10).find(array(3)).rows)


def test_a_hash_takes_less_than_twenty_bytes() -> None:
    buckets = Buckets(10)
    for row in range(20_000):
        add(buckets, row, array(*range(7 * row, 7 * row + 7)))
    assert buckets.size < 20 * len(buckets)
