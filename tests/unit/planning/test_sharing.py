"""GPUs over models: whole replicas, the slowest first, and nothing faster exists."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptcot.planning.sharing import Part, TooFewGpus, Work, in_turn, side_by_side

WRITER, FIRST, SECOND = Work("writer", 100.0, 1), Work("first", 800.0, 4), Work("second", 800.0, 4)
works = st.lists(st.builds(Work, st.just("w"), st.floats(0.1, 1e4), st.integers(1, 4)), min_size=1, max_size=3)


def test_just_enough_gpus_hold_one_replica_of_each() -> None:
    assert side_by_side([WRITER, FIRST, SECOND], 9) == [
        Part("writer", 1, 1, 100.0),
        Part("first", 1, 4, 200.0),
        Part("second", 1, 4, 200.0),
    ]


def test_one_gpu_too_few_and_they_take_turns() -> None:
    assert side_by_side([WRITER, FIRST, SECOND], 8) is None
    assert in_turn([WRITER, FIRST, SECOND], 8) == [
        Part("writer", 8, 1, 12.5),
        Part("first", 2, 4, 100.0),
        Part("second", 2, 4, 100.0),
    ]


def test_gpus_that_hold_no_replica_of_the_slowest_are_left_over() -> None:
    parts = side_by_side([WRITER, FIRST, SECOND], 12)
    assert parts is not None
    assert [part.replicas for part in parts] == [1, 1, 1], "three writers would make nothing faster"


def test_the_slowest_gets_the_next_replica() -> None:
    parts = side_by_side([WRITER, FIRST, SECOND], 18)
    assert parts is not None
    assert [part.replicas for part in parts] == [2, 2, 2]
    assert [part.seconds for part in parts] == [50.0, 100.0, 100.0]


def test_a_replica_that_does_not_fit_is_an_error_that_says_how_many_gpus_it_takes() -> None:
    with pytest.raises(TooFewGpus, match=r"first: one replica takes 4 GPUs, and there are 3.*--gpus 4"):
        in_turn([WRITER, FIRST], 3)


def test_turns_leave_gpus_over_where_replicas_do_not_divide_them() -> None:
    assert in_turn([FIRST], 7) == [Part("first", 1, 4, 200.0)]


def test_no_model_at_all_takes_no_gpu() -> None:
    assert side_by_side([], 0) == []
    assert in_turn([], 0) == []


@given(works, st.integers(1, 16))
def test_no_other_division_is_faster(works: list[Work], gpus: int) -> None:
    parts = side_by_side(works, gpus)
    counts = [
        counts
        for counts in product(range(1, gpus + 1), repeat=len(works))
        if sum(count * work.gpus for count, work in zip(counts, works, strict=True)) <= gpus
    ]
    if parts is None:
        assert not counts
        return
    best = min(
        max(work.gpu_seconds / (work.gpus * count) for count, work in zip(some, works, strict=True)) for some in counts
    )
    assert max(part.seconds for part in parts) == pytest.approx(best)
    assert sum(part.replicas * part.gpus for part in parts) <= gpus


@given(st.lists(st.floats(0.1, 1e4), min_size=1, max_size=5), st.integers(6, 5000))
def test_it_comes_close_to_gpus_in_proportion_to_work(amounts: list[float], gpus: int) -> None:
    parts = side_by_side([Work("w", amount, 1) for amount in amounts], gpus)
    assert parts is not None
    slowest, total = max(part.seconds for part in parts), sum(amounts)
    assert total / gpus <= slowest * (1 + 1e-9)
    assert slowest <= total / (gpus - len(amounts)) * (1 + 1e-9)
