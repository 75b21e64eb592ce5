"""Streams of combinations: no repeats, levels drawn uniformly, and an end instead of a loop."""

from collections import Counter
from itertools import islice

import numpy as np
import pytest
from scipy.stats import chisquare

from promptcot.core.sampling import combinations as module
from promptcot.core.sampling.combinations import Combination, Exhausted, combinations
from promptcot.core.sampling.concepts import ConceptTable
from promptcot.core.sampling.sampler import Sampler
from promptcot.errors import InputError


def sampler(concepts: int = 30, size: int | list[int] = 3, temperature: float = 2.0) -> Sampler:
    rows = [[f"c{n}", f"c{(n * 7 + 1) % concepts}", f"c{(n * 3 + 2) % concepts}"] for n in range(concepts)]
    one = ConceptTable.from_rows(rows)
    vectors = np.random.default_rng(0).standard_normal((len(one), 8)).astype(np.float32)
    return Sampler(one, vectors, size=size, temperature=temperature)


def take(count: int, seed: int = 1, **options: object) -> list[Combination]:
    return list(islice(combinations(sampler(**options), ["AMC12", "AIME", "USAMO"], seed), count))  # type: ignore[arg-type]


def test_no_combination_comes_twice_in_any_order_of_its_concepts() -> None:
    sets = [frozenset(one.concepts) for one in take(3000)]
    assert len(set(sets)) == 3000


def test_levels_are_drawn_uniformly() -> None:
    seen = Counter(one.level for one in take(3000))
    assert chisquare([seen[level] for level in ("AMC12", "AIME", "USAMO")]).pvalue > 1e-3


def test_a_longer_stream_begins_with_a_shorter_one() -> None:
    assert take(900)[:400] == take(400)
    assert take(50, seed=2) != take(50, seed=1)


def test_when_all_have_come_it_ends_and_says_so() -> None:
    stream = combinations(sampler(concepts=7, size=[2, 3], temperature=5.0), ["AIME"], 1)
    assert len({frozenset(next(stream).concepts) for _ in range(56)}) == 56
    with pytest.raises(Exhausted, match="no more than 56 combinations: these are all the possible ones"):
        next(stream)


def test_what_is_too_rare_to_come_ends_the_stream_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 2000)
    rows = [["a", "b"]] * 500 + [["c", "d"]] * 500
    one = Sampler(ConceptTable.from_rows(rows), None, size=2, temperature=0.2)
    stream = combinations(one, ["AIME"], 1)
    assert {frozenset(next(stream).concepts) for _ in range(2)} == {frozenset("ab"), frozenset("cd")}
    with pytest.raises(Exhausted, match="a higher temperature reaches more of 6") as caught:
        next(stream)
    assert (caught.value.came, caught.value.possible) == (2, 6)


def test_no_level_is_a_mistake() -> None:
    with pytest.raises(InputError, match="level"):
        next(combinations(sampler(), [], 1))
