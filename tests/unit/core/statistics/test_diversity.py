"""The diversity of a set: values computed by hand, and edge cases."""

from __future__ import annotations

from math import exp, log, sqrt

import numpy as np
import pytest

from promptcot.core.statistics.diversity import concept_spread, nearest_distances, vendi_score


def test_concepts_that_are_used_equally_often_are_as_many_as_they_are() -> None:
    found = concept_spread([3, 3, 3, 3], known=8)
    assert (found.covered, found.known, found.uses, found.coverage) == (4, 8, 12, 0.5)
    assert (found.entropy, found.effective, found.evenness) == (
        pytest.approx(log(4)),
        pytest.approx(4),
        pytest.approx(1),
    )


def test_entropy_by_hand() -> None:
    found = concept_spread([2, 1, 1, 0])
    assert found.entropy == pytest.approx(1.5 * log(2))
    assert found.effective == pytest.approx(2**1.5)
    assert found.evenness == pytest.approx(1.5 * log(2) / log(3))
    assert found.known == 3


def test_what_no_concept_can_say_is_none() -> None:
    assert concept_spread([], known=5).coverage == 0.0
    assert concept_spread([]).coverage is None
    assert concept_spread([7]).entropy == 0.0
    assert concept_spread([7]).evenness is None
    with pytest.raises(ValueError, match="2 concepts are used, and only 1"):
        concept_spread([1, 1], known=1)


def test_vendi_of_orthogonal_and_of_equal_vectors() -> None:
    assert vendi_score(np.eye(5)) == pytest.approx(5)
    assert vendi_score(np.ones((7, 3))) == pytest.approx(1)
    assert vendi_score(np.vstack([np.eye(4)] * 3)) == pytest.approx(4), "copies add nothing"
    assert vendi_score(np.zeros((0, 3))) is None


def test_vendi_of_two_vectors_by_hand() -> None:
    """K / 2 of two vectors at 60 degrees has the eigenvalues 3/4 and 1/4."""
    found = vendi_score(np.array([[1.0, 0.0], [0.5, sqrt(3) / 2]]))
    assert found == pytest.approx(exp(-(0.75 * log(0.75) + 0.25 * log(0.25))))


def test_vendi_is_the_same_by_either_matrix_of_products() -> None:
    vectors = np.random.default_rng(0).normal(size=(40, 6))
    alike = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    values = np.linalg.eigvalsh(alike @ alike.T / 40)
    values = values[values > 1e-12]
    assert vendi_score(vectors) == pytest.approx(np.exp(-np.sum(values * np.log(values))))
    assert vendi_score(vectors * 7) == pytest.approx(vendi_score(vectors)), "lengths do not matter"


def test_nearest_distances_by_hand() -> None:
    vectors = np.array([[1.0, 0.0], [0.0, 2.0], [-1.0, 0.0], [1.0, 1.0]])
    assert nearest_distances(vectors) == pytest.approx([1 - sqrt(0.5), 1 - sqrt(0.5), 1.0, 1 - sqrt(0.5)])
    assert nearest_distances(vectors[:1], vectors[2:3]) == pytest.approx([2.0])


def test_a_vector_that_has_none_beside_it_has_no_distance() -> None:
    assert np.isnan(nearest_distances(np.ones((1, 2)))).all()
    assert np.isnan(nearest_distances(np.ones((2, 2)), np.zeros((0, 2)))).all()
    assert len(nearest_distances(np.zeros((0, 2)))) == 0


def test_distances_are_the_same_over_several_blocks() -> None:
    vectors = np.random.default_rng(1).normal(size=(2100, 4))
    alike = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for place in (0, 1023, 1024, 2099):
        others = np.delete(alike, place, axis=0)
        assert nearest_distances(vectors)[place] == pytest.approx(1 - (others @ alike[place]).max())


@pytest.mark.parametrize("odd", [[0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0]])
def test_a_vector_without_a_direction_is_refused(odd: list[float]) -> None:
    for measure in (vendi_score, nearest_distances):
        with pytest.raises(ValueError, match="no direction"):
            measure(np.array([[1.0, 0.0], odd]))
