"""Two sets side by side: hand-computed differences, and which are beyond noise."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import numpy as np
import pytest

from promptcot.core.measures.comparing import Compared, compared, in_both
from promptcot.core.measures.facts import facts_of
from promptcot.core.measures.measured import Measured
from promptcot.core.measures.near_copies import Nearest
from promptcot.core.measures.tally import Tally


def measured(*rows: dict[str, Any], **more: Any) -> Measured:
    tally = Tally(lambda name: crc32(name.encode()))
    for row in rows:
        tally.add(facts_of(row))
    return Measured("set", tally, **more)


def by_name(a: Measured, b: Measured) -> dict[str, Compared]:
    return {one.name: one for one in compared(a, b)}


def test_shares_have_newcombes_interval() -> None:
    """56 of 70 and 48 of 80: the example of Newcombe 1998, table II (a)."""
    a = measured(*[{"level": "AIME"}] * 48, *[{"level": "AMC12"}] * 32)
    b = measured(*[{"level": "AIME"}] * 56, *[{"level": "AMC12"}] * 14)
    found = by_name(a, b)["level AIME"].difference
    assert (found.a, found.b, found.n_a, found.n_b) == (0.6, 0.8, 80, 70)
    assert found.interval == (pytest.approx(0.0524, abs=1e-4), pytest.approx(0.3339, abs=1e-4))
    assert found.is_clear


def test_means_have_an_interval_and_small_sets_are_within_noise() -> None:
    a = measured({"pass_rate": 0.5}, {"pass_rate": 1.0})
    b = measured({"pass_rate": 0.25}, {"pass_rate": 1.0})
    found = by_name(a, b)["pass rate"].difference
    assert (found.a, found.b, found.difference) == (0.75, 0.625, -0.125)
    assert found.interval is not None
    assert not found.is_clear


def test_what_one_set_lacks_is_not_0() -> None:
    found = by_name(measured({"pass_rate": 0.5}), measured({"problem": "Count."}))["pass rate"].difference
    assert (found.a, found.b, found.n_b, found.difference, found.interval) == (0.5, None, 0, None, None)


def test_what_both_lack_is_not_compared() -> None:
    assert [*by_name(measured({}), measured({}))] == []


def test_concepts_are_compared_on_equally_many_uses() -> None:
    """A larger set of the same concepts has no more of them."""
    few = measured(*[{"concepts": [f"c{n}"]} for n in range(10)])
    many = measured(*[{"concepts": [f"c{n}"]} for n in range(10)] * 10)
    found = by_name(few, many)
    used = found["concepts that are used"].difference
    assert (used.n_a, used.n_b, used.a) == (10, 10, 10)
    assert used.b is not None
    assert used.b <= 10
    assert used.interval is None


def test_vectors_are_compared_on_equally_many_problems() -> None:
    a, b = measured({}, vectors=np.eye(4, dtype=np.float32)), measured({}, vectors=np.eye(2, dtype=np.float32))
    found = by_name(a, b)
    assert found["Vendi score"].difference.a == pytest.approx(2)
    assert found["Vendi score"].difference.b == pytest.approx(2)
    assert found["distance to the nearest problem"].difference.a == pytest.approx(1)


def test_a_text_alone_cannot_be_alike() -> None:
    alone = measured({}, nearest=[None], among=1)
    pair = measured({}, nearest=[Nearest(1.0, False)] * 2, among=2)
    found = by_name(alone, pair)["with another one at least 0.85 alike"].difference
    assert (found.a, found.b) == (None, 1.0)
    assert "near_copies" not in alone.as_json()


def test_problems_in_both_are_counted_by_their_text() -> None:
    a = measured({"id": 1, "problem": "Count."}, {"id": 2, "problem": "Count."}, {"id": 3, "problem": "Add."})
    assert in_both(a, measured({"id": 9, "problem": "Count."}, {"problem": ""})) == 1
