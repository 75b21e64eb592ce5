"""Count scores and contenders, against sums over the dense table."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptcot.core.sampling import cooccurrence as module
from promptcot.core.sampling.concepts import ConceptTable
from promptcot.core.sampling.cooccurrence import Cooccurrence

ROWS = st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=6), min_size=3, max_size=60)


def build(rows: list[list[int]], damping: Any) -> tuple[Cooccurrence, Any]:
    table = ConceptTable.from_rows([*([f"c{concept}" for concept in row] for row in rows), ["x", "y", "z"]])
    dense = np.zeros((len(table), len(table)))
    for row in range(len(table)):
        part = slice(table.indptr[row], table.indptr[row + 1])
        dense[row, table.indices[part]] = table.counts[part]
    return Cooccurrence(table, damping), np.log1p(dense) if damping == "log1p" else dense


@pytest.mark.parametrize("damping", ["raw", "log1p"])
@given(rows=ROWS, seed=st.integers(0, 9))
def test_scores_are_sums_over_the_chosen(damping: str, rows: list[list[int]], seed: int) -> None:
    cooccurrence, dense = build(rows, damping)
    rng = np.random.default_rng(seed)
    chosen, concept = rng.integers(len(dense), size=(50, 3)), rng.integers(len(dense), size=50)
    score, met = cooccurrence.scores(chosen, concept)
    assert np.allclose(score, dense[chosen, concept[:, None]].sum(axis=1))
    assert np.array_equal(met, (dense[chosen, concept[:, None]] > 0).sum(axis=1))


@pytest.mark.parametrize("damping", ["raw", "log1p"])
@pytest.mark.parametrize(("depth", "cells"), [(1, 1), (2, 1 << 19), (16, 1 << 19)])
@given(rows=ROWS, margin=st.floats(0.1, 5), floor=st.sampled_from([0.0, 0.5, 1.0, 2.5]))
def test_contenders_are_all_that_score_well_and_no_others(
    damping: str, depth: int, cells: int, rows: list[list[int]], margin: float, floor: float
) -> None:
    cooccurrence, dense = build(rows, damping)
    chosen = np.array([np.random.default_rng(n).choice(len(dense), 2, replace=False) for n in range(20)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_DEPTH", depth)
        patch.setattr(module, "_DEEPER", 2)
        patch.setattr(module, "_CELLS", cells)
        found = cooccurrence.contenders(chosen, np.full(20, margin), np.full(20, floor))
    assert np.array_equal(np.lexsort((found.concept, found.owner)), np.arange(len(found.owner)))
    for draw, pair in enumerate(chosen):
        score = dense[pair].sum(axis=0)
        score[pair] = 0
        listed = found.concept[found.owner == draw]
        assert np.allclose(found.score[found.owner == draw], score[listed])
        cut = max(score.max() - margin, floor)
        assert set(np.flatnonzero(score > cut + 1e-9)) <= set(listed) <= set(np.flatnonzero(score > cut - 1e-9))
        others = np.delete(score, listed)
        assert others.max() <= found.rest[draw] + 1e-9
        assert found.rest[draw] <= cut + 1e-9


@given(rows=ROWS, seed=st.integers(0, 9))
def test_the_entries_of_the_chosen_are_numbered_one_row_after_the_other(rows: list[list[int]], seed: int) -> None:
    cooccurrence, dense = build(rows, "raw")
    chosen = np.random.default_rng(seed).integers(len(dense), size=3)
    entries = np.concatenate([np.flatnonzero(dense[concept]) for concept in chosen])
    count = cooccurrence.neighbours(chosen[None])
    assert count.tolist() == [len(entries)]
    found = cooccurrence.neighbour(np.repeat(chosen[None], len(entries), axis=0), np.arange(len(entries)))
    assert np.array_equal(found, entries)
