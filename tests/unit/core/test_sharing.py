"""Allocation of GPUs to models: whole replicas, the slowest model first, and no faster allocation exists."""

from collections.abc import Mapping, Sequence
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptcot.core.sharing import Work, hand_out

WRITER, FIRST, SECOND = Work("writer", 100.0, 1), Work("first", 800.0, 4), Work("second", 800.0, 4)
works = st.lists(
    st.builds(Work, st.sampled_from("abc"), st.floats(0.1, 1e4), st.integers(1, 4)),
    min_size=1,
    max_size=3,
    unique_by=lambda work: work.name,
)


def slowest(works: Sequence[Work], replicas: Mapping[str, int]) -> float:
    return max(work.gpu_seconds / (work.gpus * replicas[work.name]) for work in works)


@pytest.mark.parametrize(
    ("gpus", "replicas", "why"),
    [
        (8, None, "one GPU too few for a replica of each"),
        (9, (1, 1, 1), "just enough for one of each"),
        (12, (1, 1, 1), "the slowest takes four: three more writers would make nothing faster"),
        (13, (1, 2, 1), "room for one more of the slowest"),
        (18, (2, 2, 2), "the slowest gets the next, each time"),
    ],
)
def test_whole_replicas_go_to_the_slowest(gpus: int, replicas: tuple[int, int, int] | None, why: str) -> None:
    found = hand_out([WRITER, FIRST, SECOND], gpus)
    assert found == (replicas and dict(zip(("writer", "first", "second"), replicas, strict=True))), why


def test_no_model_at_all_takes_no_gpu() -> None:
    assert hand_out([], 0) == {}


@given(works, st.floats(0.01, 100), st.integers(3, 32))
def test_only_the_ratio_of_work_matters(works: list[Work], factor: float, gpus: int) -> None:
    scaled = [Work(work.name, work.gpu_seconds * factor, work.gpus) for work in works]
    one, other = hand_out(works, gpus), hand_out(scaled, gpus)
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert slowest(works, one) == pytest.approx(slowest(works, other))


@given(works, st.integers(1, 16))
def test_no_other_division_is_faster(works: list[Work], gpus: int) -> None:
    replicas = hand_out(works, gpus)
    divisions = [
        {work.name: count for work, count in zip(works, counts, strict=True)}
        for counts in product(range(1, gpus + 1), repeat=len(works))
        if sum(count * work.gpus for count, work in zip(counts, works, strict=True)) <= gpus
    ]
    if replicas is None:
        assert not divisions
        return
    assert slowest(works, replicas) == pytest.approx(min(slowest(works, some) for some in divisions))
    assert sum(replicas[work.name] * work.gpus for work in works) <= gpus


@given(st.lists(st.floats(0.1, 1e4), min_size=1, max_size=5), st.integers(6, 5000))
def test_it_comes_close_to_gpus_in_proportion_to_work(amounts: list[float], gpus: int) -> None:
    works = [Work(str(place), amount, 1) for place, amount in enumerate(amounts)]
    replicas = hand_out(works, gpus)
    assert replicas is not None
    total = sum(amounts)
    assert total / gpus <= slowest(works, replicas) * (1 + 1e-9)
    assert slowest(works, replicas) <= total / (gpus - len(amounts)) * (1 + 1e-9)
