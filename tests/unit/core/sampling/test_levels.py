"""Levels that fit a combination: the law, what it ignores, and that the draws depend on nothing else."""

from collections import Counter
from itertools import islice, pairwise, permutations
from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from promptcot.core.sampling.combinations import combinations
from promptcot.core.sampling.concepts import ConceptTable
from promptcot.core.sampling.levels import LevelDistribution
from promptcot.core.sampling.sampler import Sampler
from promptcot.errors import InputError

LEVELS = ["easy", "middle", "hard"]
Seeds = list[tuple[list[str], object]]


def law(seeds: Seeds, levels: list[str] = LEVELS) -> tuple[ConceptTable, LevelDistribution]:
    table = ConceptTable.from_rows(concepts for concepts, _ in seeds)
    return table, LevelDistribution(table, seeds, levels)


def by_definition(seeds: Seeds, chosen: list[str]) -> list[float]:
    """The probabilities as the module states them, seed by seed."""
    known = [(set(concepts), level) for concepts, level in seeds if level in LEVELS]
    weights = []
    for level in LEVELS:
        share = sum(one == level for _, one in known) / len(known)
        of_size = [one for concepts, one in known if len(concepts) == len(chosen)]
        start = (of_size.count(level) + share) / (len(of_size) + 1)
        pairs = [(i, j) for n, i in enumerate(chosen) for j in chosen[:n]]
        counts = [sum(one == level and {i, j} <= concepts for concepts, one in known) for i, j in pairs]
        weights.append(start * prod(count + share for count in counts))
    return [weight / sum(weights) for weight in weights]


NAMES = [*"abcdef"]
SEED = st.tuples(
    st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True), st.sampled_from([*LEVELS, "other", None])
)


@given(st.lists(SEED, min_size=1, max_size=30), st.lists(st.sampled_from(NAMES), min_size=1, max_size=5, unique=True))
def test_the_probabilities_are_those_of_the_definition(rows: Seeds, chosen: list[str]) -> None:
    seeds = [*rows, (NAMES, "middle")]
    table, found = law(seeds)
    row = [table.names.index(name) for name in chosen] + [-1] * (5 - len(chosen))
    assert found.probabilities(np.array([row]))[0] == pytest.approx(by_definition(seeds, chosen))


def test_the_draws_follow_the_probabilities() -> None:
    names = [f"c{n}" for n in range(60)]
    seeds: Seeds = [([one, other], "easy") for one, other in pairwise(names)]
    seeds += [(names[n : n + 3], "hard") for n in range(40)]
    _, found = law(seeds)
    pairs = np.array(list(permutations(range(40), 2)))
    drawn = np.bincount(found.draw(pairs, 7), minlength=3)
    wanted = found.probabilities(pairs).sum(axis=0)
    assert drawn[1] == wanted[1] == 0  # a level that no seed has
    # Both orders of a pair get the same level, so that half of the draws are independent.
    assert chisquare(drawn[[0, 2]] / 2, wanted[[0, 2]] / 2).pvalue > 1e-3


def test_a_level_depends_on_the_seed_and_the_set_of_concepts_alone() -> None:
    seeds: Seeds = [([f"c{n}", f"c{(n * 7 + 3) % 50}"], LEVELS[n % 3]) for n in range(50)]
    _, found = law(seeds)
    rows = np.random.default_rng(1).permuted(np.tile(np.arange(50), (300, 1)), axis=1)[:, :3]
    together = found.draw(rows, 5).tolist()
    assert [found.draw(row[None], 5)[0] for row in rows] == together
    assert found.draw(rows[:, ::-1], 5).tolist() == together
    padded = np.pad(rows, ((0, 0), (0, 2)), constant_values=-1)
    assert found.draw(padded, 5).tolist() == together
    assert found.draw(rows, 6).tolist() != together


def test_repeated_and_padded_names_count_once_and_unknown_ones_never() -> None:
    plain: Seeds = [(["a", "b"], "easy"), (["a", "c"], "hard")]
    odd: Seeds = [([" a", "b ", "a"], "easy"), (["a", "c", "unknown"], "hard"), (["a", "b"], None), (["b", "c"], 3)]
    table = ConceptTable.from_rows([["a", "b"], ["a", "c"]])
    rows = np.array([[0, 1], [0, 2], [1, 2]])
    assert LevelDistribution(table, odd, LEVELS).probabilities(rows) == pytest.approx(
        LevelDistribution(table, plain, LEVELS).probabilities(rows)
    )


@pytest.mark.parametrize("level", [None, "other", 3, ["easy"]])
def test_seeds_without_a_level_that_is_drawn_are_refused_together(level: object) -> None:
    with pytest.raises(
        InputError, match=r"fit_levels: none of the seed combinations has a `level` that is drawn \(easy"
    ):
        law([(["a", "b"], level)])


def test_a_stream_with_fitting_levels_has_the_same_combinations() -> None:
    seeds: Seeds = [([f"c{n}", f"c{(n * 7 + 3) % 50}"], "easy" if n < 25 else "hard") for n in range(50)] * 5
    table, found = law(seeds)
    sampler = Sampler(table, size=[2, 3], temperature=1.0)
    plain = list(islice(combinations(sampler, LEVELS, 3), 1200))
    fitted = list(islice(combinations(sampler, LEVELS, 3, found), 1200))
    assert [one.concepts for one in fitted] == [one.concepts for one in plain]
    together = {frozenset(concepts): level for concepts, level in seeds}
    right = Counter(
        one.level == together[frozenset(one.concepts)] for one in fitted if frozenset(one.concepts) in together
    )
    assert right[True] > 3 * right[False]
    assert "middle" not in {one.level for one in fitted}
