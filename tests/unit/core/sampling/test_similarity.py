"""Cosines computed in place: early termination against all coordinates, and float16 values converted by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from promptcot.core.sampling.similarity import Similarity
from promptcot.errors import InputError

KINDS = ["isotropic", "one direction in common", "a few coordinates carry all", "near duplicates"]


def matrix(kind: str, dimensions: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(2)
    vectors = rng.standard_normal((200, dimensions)).astype(np.float32)
    if kind == "one direction in common":
        vectors += 2 * rng.standard_normal(dimensions).astype(np.float32)
    if kind == "a few coordinates carry all":
        vectors[:, -3:] *= 100
    if kind == "near duplicates":
        vectors[100:] = vectors[:100] + 0.05 * vectors[100:]
    vectors[7] = 0
    return vectors


def unit(vectors: NDArray[Any]) -> NDArray[np.float64]:
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros(vectors.shape), where=lengths > 0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dimensions", [3, 300, 1024])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_what_reaches_a_threshold_is_what_all_coordinates_say(kind: str, dimensions: int, dtype: Any) -> None:
    rng = np.random.default_rng(3)
    vectors = matrix(kind, dimensions).astype(dtype)
    similarity = Similarity(vectors, np.arange(200))
    toward = vectors[::10].astype(np.float32)
    concepts, owner = rng.integers(200, size=4000), np.sort(rng.integers(20, size=4000))
    cosines = (unit(vectors)[concepts] * unit(toward)[owner]).sum(axis=1)
    # Some far off, many close by: 1e-4 is beyond rounding, and far below what the sketch can tell apart.
    threshold = cosines + rng.choice([-0.5, -1e-2, -1e-4, 1e-4, 1e-2, 0.5], size=4000)
    directions = similarity.directions(toward)
    assert np.allclose(similarity.cosines(concepts, directions, owner), cosines, atol=1e-5)
    reaching = similarity.reaching(concepts, directions, owner, threshold)
    assert np.array_equal(reaching, np.flatnonzero((cosines >= threshold) & (threshold <= 1)))


def test_every_finite_half_is_converted_exactly() -> None:
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)].reshape(-1, 2)
    assert np.array_equal(Similarity(halves, np.arange(len(halves))).rows(np.arange(len(halves))), halves)


def test_rows_are_found_through_the_alignment_and_in_a_mapped_file(tmp_path: Path) -> None:
    vectors = matrix("isotropic", 16).astype(np.float16)
    vectors.tofile(tmp_path / "vectors")
    mapped = np.memmap(tmp_path / "vectors", np.float16, "r", shape=vectors.shape)
    row_of = np.array([5, 3, 199])
    assert np.array_equal(Similarity(mapped, row_of).rows(np.array([2, 0])), vectors[[199, 5]])


def test_without_a_matrix_every_cosine_is_zero_and_nothing_exceeds_it() -> None:
    similarity = Similarity(None, np.arange(4))
    directions = similarity.directions(similarity.rows(np.array([1])))
    assert similarity.bound == 0
    assert similarity.cosines(np.arange(4), directions, np.zeros(4, int)).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_value_that_is_not_finite_is_refused(wrong: float, dtype: Any) -> None:
    vectors = matrix("isotropic", 16).astype(dtype)
    vectors[150, 3] = wrong
    with pytest.raises(InputError, match="not finite"):
        Similarity(vectors, np.arange(200))


@pytest.mark.parametrize("vectors", [np.zeros((3, 2), np.float32), np.zeros(9, np.float32), np.zeros((9, 2), np.int32)])
def test_a_matrix_that_does_not_fit_is_refused(vectors: NDArray[Any]) -> None:
    with pytest.raises(InputError, match="no row for some of the concepts"):
        Similarity(vectors, np.arange(9))
