"""Statistics of an evaluation against brute force over all subsets and samples."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from itertools import combinations
from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptcot.core.statistics import Sample, SourceTally, majority_at_k, majority_at_k_sampled, pass_at_k, summarize

sizes = st.lists(st.integers(0, 4), max_size=3)
verdicts = st.sampled_from([True, False, None])
samples = st.builds(Sample, verdicts, st.none() | st.integers(0, 3), st.none() | st.integers(0, 99), verdicts)


@given(st.integers(1, 9), st.data())
def test_pass_at_k_is_the_share_of_subsets_with_a_right_sample(n: int, data: st.DataObject) -> None:
    right, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    subsets = list(combinations([True] * right + [False] * (n - right), k))
    assert pass_at_k(n, right, k) == pytest.approx(sum(map(any, subsets)) / len(subsets), abs=1e-15)


@given(st.integers(1, 64), st.data())
def test_pass_at_k_never_falls_as_k_grows(n: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, n))
    found = [pass_at_k(n, right, k) for k in range(1, n + 1)]
    assert found == sorted(found, key=lambda value: -1.0 if value is None else value)
    assert found[-1] == (1.0 if right else 0.0)


def majority_by_enumeration(right: list[int], wrong: list[int], blank: int, k: int) -> float:
    names = [f"r{i}" for i, size in enumerate(right) for _ in range(size)]
    names += [f"w{i}" for i, size in enumerate(wrong) for _ in range(size)]
    subsets = list(combinations([*names, *[None] * blank], k))
    total = 0.0
    for subset in subsets:
        votes = Counter(name for name in subset if name is not None)
        first = [name for name, count in votes.items() if count == max(votes.values())]
        total += sum(name.startswith("r") for name in first) / len(first) if first else 0
    return total / len(subsets)


@settings(deadline=None)
@given(sizes, sizes, st.integers(0, 2), st.data())
def test_majority_at_k_is_that_of_every_subset(
    right: list[int], wrong: list[int], blank: int, data: st.DataObject
) -> None:
    n = sum(right) + sum(wrong) + blank
    k = data.draw(st.integers(1, max(1, min(n, 6))))
    found = majority_at_k(right, wrong, blank, k)
    if k > n:
        assert found is None
    elif n <= 12:
        assert found == pytest.approx(majority_by_enumeration(right, wrong, blank, k), abs=1e-12)
    else:
        drawn = majority_at_k_sampled(right, wrong, blank, k, np.random.default_rng(0))
        assert found == pytest.approx(drawn, abs=0.025)


@given(st.integers(1, 9), st.lists(st.integers(1, 4), max_size=4))
def test_majority_of_one_sample_is_the_accuracy(right: int, wrong: list[int]) -> None:
    assert majority_at_k([right], wrong, 0, 1) == pytest.approx(right / (right + sum(wrong)))


@given(
    st.dictionaries(st.text(max_size=5), st.lists(samples, max_size=5), max_size=5), st.randoms(use_true_random=False)
)
def test_a_tally_gives_what_keeping_every_sample_gives(problems: dict[str, list[Sample]], order: object) -> None:
    kept = [(name, run, sample) for name, of_one in problems.items() for run, sample in enumerate(of_one)]
    order.shuffle(kept)  # type: ignore[attr-defined]
    tally = SourceTally("s")
    for name, run, sample in kept:
        tally.add(name, sample, run)
    found = summarize(tally)
    assert found.problems == len({name for name, _, _ in kept})
    assert found.no_answer.count == sum(sample.answer is None for _, _, sample in kept)
    assert found.timeouts.count == sum(sample.correct is None for _, _, sample in kept)
    assert found.truncated.count == sum(sample.truncated is True for _, _, sample in kept)
    assert found.truncated.n == sum(sample.truncated is not None for _, _, sample in kept)
    tokens = [sample.tokens for _, _, sample in kept if sample.tokens is not None]
    assert found.mean_tokens == (pytest.approx(sum(tokens) / len(tokens)) if tokens else None)
    _check_accuracy(found.accuracy.mean, found.accuracy.standard_error, problems)
    _check_runs(found.runs.accuracies, kept)


def _check_accuracy(mean: float | None, error: float | None, problems: dict[str, list[Sample]]) -> None:
    graded = [[sample.correct for sample in of_one if sample.correct is not None] for of_one in problems.values()]
    means = [sum(verdicts) / len(verdicts) for verdicts in graded if verdicts]
    expected = sum(means) / len(means) if means else None
    assert mean == (None if expected is None else pytest.approx(expected))
    if expected is None or len(means) < 2:
        assert error is None
    else:
        spread = sum((one - expected) ** 2 for one in means) / (len(means) * (len(means) - 1))
        assert error == pytest.approx(sqrt(spread))


def _check_runs(accuracies: tuple[float | None, ...], kept: list[tuple[str, int, Sample]]) -> None:
    for place, run in enumerate(sorted({run for _, run, _ in kept})):
        graded = [sample.correct for _, number, sample in kept if number == run and sample.correct is not None]
        assert accuracies[place] == (sum(graded) / len(graded) if graded else None)


def test_a_tally_needs_few_bytes_for_each_sample() -> None:
    """A million predictions have to stay below 1 GB; a tenth of them below 10 MB means some 40 MB in all."""
    tally, sample = SourceTally("s"), Sample(True, 1, 1000, False)
    tracemalloc.start()
    for number in range(100_000):
        tally.add(f"a-rather-long-problem-id-{number // 8}", sample, number % 8)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(tally) == 100_000
    assert held < 10_000_000
