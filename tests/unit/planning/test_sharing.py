"""The time of replicas: in parallel, or one model after another on all GPUs. For the allocation see tests/unit/core."""

import pytest

from promptcot.core.sharing import Work
from promptcot.planning.sharing import Part, TooFewGpus, in_turn, side_by_side

WRITER, FIRST, SECOND = Work("writer", 100.0, 1), Work("first", 800.0, 4), Work("second", 800.0, 4)


def test_side_by_side_each_model_takes_its_work_over_its_gpus() -> None:
    assert side_by_side([WRITER, FIRST, SECOND], 18) == [
        Part("writer", 2, 1, 50.0),
        Part("first", 2, 4, 100.0),
        Part("second", 2, 4, 100.0),
    ]


def test_one_gpu_too_few_and_they_take_turns() -> None:
    assert side_by_side([WRITER, FIRST, SECOND], 8) is None
    assert in_turn([WRITER, FIRST, SECOND], 8) == [
        Part("writer", 8, 1, 12.5),
        Part("first", 2, 4, 100.0),
        Part("second", 2, 4, 100.0),
    ]


def test_a_replica_that_does_not_fit_is_an_error_that_says_how_many_gpus_it_takes() -> None:
    with pytest.raises(TooFewGpus, match=r"first: one replica takes 4 GPUs, and there are 3.*--gpus 4"):
        in_turn([WRITER, FIRST], 3)


def test_turns_leave_gpus_over_where_replicas_do_not_divide_them() -> None:
    assert in_turn([FIRST], 7) == [Part("first", 1, 4, 200.0)]


def test_no_model_at_all_takes_no_gpu() -> None:
    assert side_by_side([], 0) == []
    assert in_turn([], 0) == []
