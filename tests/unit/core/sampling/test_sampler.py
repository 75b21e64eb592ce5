"""The sampler: its distribution against a brute-force reference, for any counts, and reproducible by seed."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import chisquare

from promptcot.core.sampling import cooccurrence, race
from promptcot.core.sampling.concepts import ConceptTable
from promptcot.core.sampling.cooccurrence import Cooccurrence
from promptcot.core.sampling.race import Race
from promptcot.core.sampling.sampler import BLOCK, Sampler
from promptcot.core.sampling.similarity import Similarity
from promptcot.errors import InputError

Matrix = NDArray[Any]


def table(rows: list[list[int]]) -> ConceptTable:
    return ConceptTable.from_rows([[f"c{concept}" for concept in row] for row in rows])


def counts(one: ConceptTable) -> Matrix:
    full = np.zeros((len(one), len(one)))
    for row in range(len(one)):
        part = slice(one.indptr[row], one.indptr[row + 1])
        full[row, one.indices[part]] = one.counts[part]
    return full


def law(
    one: ConceptTable, vectors: Matrix, size: int, temperature: float, damp: Callable[[Matrix], Matrix]
) -> dict[tuple[int, ...], float]:
    """The probability of every ordered combination, by the formula and without any cleverness."""
    together = damp(counts(one))
    frequency = one.frequency / one.frequency.sum()

    def step(chosen: tuple[int, ...]) -> Matrix:
        mean = vectors[list(chosen)].mean(axis=0)
        lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(mean)
        cosine = np.divide(vectors @ mean, lengths, out=np.zeros(len(one)), where=lengths > 0)
        log_weight = (together[list(chosen)].sum(axis=0) + cosine) / temperature
        log_weight[list(chosen)] = -np.inf
        weight = np.exp(log_weight - log_weight.max())
        return weight / weight.sum()

    found = {}
    for combination in permutations(range(len(one)), size):
        chance = frequency[combination[0]]
        for place in range(1, size):
            chance *= step(combination[:place])[combination[place]]
        found[combination] = chance
    return found


def p_value(sampler: Sampler, expected: dict[tuple[int, ...], float], blocks: int, seed: int = 5) -> float:
    """Of the chi-square test; combinations expected fewer than five times are taken together."""
    seen = Counter(tuple(row) for block in range(blocks) for row in sampler.block(seed, block).tolist())
    total = blocks * BLOCK
    want = np.array([chance * total for chance in expected.values()])
    have = np.array([seen[combination] for combination in expected], float)
    rare = want < 5
    if rare.any():
        want, have = np.append(want[~rare], want[rare].sum()), np.append(have[~rare], have[rare].sum())
    if want[-1] < 5:
        want, have = np.append(want[:-2], want[-2:].sum()), np.append(have[:-2], have[-2:].sum())
    return float(chisquare(have, want * have.sum() / want.sum()).pvalue)


def world(concepts: int, rows: int, dimensions: int, seed: int = 3) -> tuple[ConceptTable, Matrix]:
    rng = np.random.default_rng(seed)
    seeds = [rng.choice(concepts, 3, replace=False).tolist() for _ in range(rows)] + [[c] for c in range(concepts)]
    return table(seeds), (rng.standard_normal((concepts, dimensions)) + 0.5).astype(np.float32)


LAWS = [
    ("raw counts, warm", 12, 6, 4, 1.0, "raw"),
    ("damped counts, many of them", 12, 40, 4, 0.5, "log1p"),
    ("the default temperature", 12, 3, 300, 0.2, "raw"),
    ("more dimensions than the sketch holds", 10, 4, 1024, 0.3, "log1p"),
    ("hardly any counts", 12, 1, 8, 0.3, "raw"),
]


@pytest.mark.parametrize(
    ("concepts", "rows", "dimensions", "temperature", "damping"),
    [one[1:] for one in LAWS],
    ids=[one[0] for one in LAWS],
)
def test_draws_follow_the_law(concepts: int, rows: int, dimensions: int, temperature: float, damping: Any) -> None:
    one, vectors = world(concepts, rows, dimensions)
    damp = np.log1p if damping == "log1p" else np.asarray
    expected = law(one, vectors.astype(float), 3, temperature, damp)
    sampler = Sampler(one, vectors, size=3, temperature=temperature, damping=damping)
    assert p_value(sampler, expected, 60) > 1e-3


def test_the_chi_square_test_notices_a_slightly_wrong_law() -> None:
    one, vectors = world(12, 6, 4)
    sampler = Sampler(one, vectors, size=3, temperature=1.0)
    wrong = law(one, vectors.astype(float), 3, 1.15, np.asarray)
    without_cosine = law(one, np.zeros_like(vectors, float), 3, 1.0, np.asarray)
    assert p_value(sampler, wrong, 60) < 1e-3
    assert p_value(sampler, without_cosine, 60) < 1e-3


def test_without_embeddings_every_cosine_is_zero() -> None:
    one, _ = world(10, 5, 4)
    expected = law(one, np.zeros((10, 1)), 3, 0.5, np.asarray)
    assert p_value(Sampler(one, None, size=3, temperature=0.5), expected, 60) > 1e-3


def test_giving_up_on_rejection_follows_the_same_law() -> None:
    one, vectors = world(10, 4, 6)
    sampler = Sampler(one, vectors, size=3, temperature=0.3)
    object.__setattr__(sampler._law, "patience", 1)
    assert p_value(sampler, law(one, vectors.astype(float), 3, 0.3, np.asarray), 40) > 1e-3


# What decides how the work is divided must not change the law: each of these sends draws another way.
WAYS: dict[str, list[tuple[Any, str, float]]] = {
    "no contenders, all neighbours ring": [(race, "_SHARE", 1e9)],
    "all neighbours are contenders": [(race, "_SHARE", 1e-9), (race, "_FEW", 1e-9)],
    "some neighbours ring": [(race, "_SHARE", 1e-9), (race, "_FEW", 1e9)],
    "rows read one entry at a time": [(cooccurrence, "_DEPTH", 1), (cooccurrence, "_DEEPER", 2)],
    "few rings in a round": [(race, "_RINGS", 8)],
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("damping", ["raw", "log1p"])
def test_however_the_work_is_divided_the_law_is_the_same(way: str, damping: Any, monkeypatch: Any) -> None:
    assert shortcut_p_value(way, damping, monkeypatch) > 1e-3


def shortcut_p_value(way: str, damping: Any, monkeypatch: pytest.MonkeyPatch) -> float:
    for module, name, value in WAYS[way]:
        monkeypatch.setattr(module, name, value)
    one, vectors = world(10, 8, 6)
    sampler = Sampler(one, vectors, size=3, temperature=0.8, damping=damping)
    object.__setattr__(sampler._law, "patience", 10**6)
    return p_value(sampler, law(one, vectors.astype(float), 3, 0.8, np.log1p if damping == "log1p" else np.asarray), 40)


def dismiss_nothing(similarity: Similarity, concepts: Matrix, directions: Any, owner: Any, threshold: Any) -> Matrix:
    return np.arange(len(concepts))


def met_once(scores: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(*arguments: Any) -> tuple[Matrix, Matrix]:
        score, rows = scores(*arguments)
        return score, np.minimum(rows, 1)

    return wrong


CHEATS: dict[str, tuple[str, Any, str, Any]] = {
    "every ring counts": ("few rings in a round", Similarity, "reaching", dismiss_nothing),
    "who is in two rows counts twice": (
        "no contenders, all neighbours ring", Cooccurrence, "scores", met_once(Cooccurrence.scores)
    ),
    "contenders ring again as neighbours": (
        "some neighbours ring", Race, "_has_rung", lambda self, owner, concept: np.zeros(len(owner), bool)
    ),
}  # fmt: skip


@pytest.mark.parametrize("cheat", CHEATS)
def test_the_chi_square_test_notices_a_sampler_that_cheats(cheat: str, monkeypatch: pytest.MonkeyPatch) -> None:
    way, owner, name, wrong = CHEATS[cheat]
    monkeypatch.setattr(owner, name, wrong)
    assert shortcut_p_value(way, "raw", monkeypatch) < 1e-3


def test_a_count_of_a_million_at_a_low_temperature_wins_without_a_warning() -> None:
    one = table([[0, 1], [0, 2], [1, 2], [3], [4]])
    many = np.array([10**6, 1, 10**6, 1, 1, 1], np.int32)
    million = ConceptTable(one.names, one.frequency, one.indptr, one.indices, many)
    vectors = np.random.default_rng(0).standard_normal((5, 16)).astype(np.float16)
    with np.errstate(invalid="raise", over="raise"):
        block = Sampler(million, vectors, size=4, temperature=0.01).block(1, 0)
    popular = block[:, 0] < 2
    assert popular.any()
    assert np.array_equal(block[popular, 1], 1 - block[popular, 0])


@pytest.mark.parametrize("temperature", [0.001, 0.2, 5.0])
@pytest.mark.parametrize("damping", ["raw", "log1p"])
def test_skewed_counts_give_no_nan_and_no_repeat(temperature: float, damping: Any) -> None:
    rows = [[0, 1]] * 20_000 + [[0, 2]] * 3 + [[number, number + 1] for number in range(2, 60)]
    one = table(rows)
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((len(one), 16)).astype(np.float16)
    vectors[5] = 0
    with np.errstate(invalid="raise", over="raise"):
        block = Sampler(one, vectors, size=5, temperature=temperature, damping=damping).block(1, 0)
    assert ((block >= 0) & (block < len(one))).all()
    assert all(len(set(row)) == 5 for row in block.tolist())


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(st.lists(st.integers(0, 8), min_size=1, max_size=4), min_size=1, max_size=12),
    seed=st.integers(0, 99),
    temperature=st.floats(0.01, 3),
)
def test_any_table_gives_combinations_without_repeats(rows: list[list[int]], seed: int, temperature: float) -> None:
    one = table([*rows, [0, 1, 2]])
    vectors = np.random.default_rng(seed).standard_normal((len(one), 5)).astype(np.float32)
    sampler = Sampler(one, vectors, size=[2, 3], temperature=temperature)
    for row in sampler.block(seed, 0):
        names = sampler.names(row)
        assert len(names) in (2, 3)
        assert len(set(names)) == len(names)


def test_more_draws_begin_with_the_same_as_fewer_and_another_seed_differs() -> None:
    one, vectors = world(12, 6, 4)
    sampler = Sampler(one, vectors, size=3)
    many = sampler.draw(3 * BLOCK, seed=7)
    assert sampler.draw(BLOCK + 5, seed=7) == many[: BLOCK + 5]
    assert sampler.draw(20, seed=8) != many[:20]


def test_the_order_of_draws_does_not_depend_on_the_hash_seed() -> None:
    code = (
        "import numpy as np; from promptcot.core.sampling.concepts import ConceptTable;"
        "from promptcot.core.sampling.sampler import Sampler;"
        "t = ConceptTable.from_rows([['a', 'b'], ['b', 'c'], ['c', 'd', 'e']]);"
        "print(Sampler(t, np.eye(5, dtype=np.float32), size=3).draw(50, 1))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"size": 13}, "13 concepts, but the seed rows have only 12"),
    ({"size": 0}, "at least one concept"),
    ({"temperature": 0.0}, "temperature"),
    ({"damping": "sqrt"}, "damping"),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_settings_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    one, vectors = world(12, 6, 4)
    with pytest.raises(InputError, match=message):
        Sampler(one, vectors, **options)


def test_a_vector_that_is_not_finite_is_refused() -> None:
    one, vectors = world(12, 6, 4)
    vectors[3, 1] = np.nan
    with pytest.raises(InputError, match="not finite"):
        Sampler(one, vectors, size=3)
