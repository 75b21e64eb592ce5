"""Concept tables: names, frequencies and co-occurrence of seed rows, and embeddings aligned without copying."""

from collections import Counter
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptcot.core.sampling.concepts import ConceptTable, align_embeddings
from promptcot.errors import InputError


def pairs(table: ConceptTable) -> dict[tuple[str, str], int]:
    return {
        (table.names[row], table.names[table.indices[entry]]): int(table.counts[entry])
        for row in range(len(table))
        for entry in range(table.indptr[row], table.indptr[row + 1])
    }


def test_names_come_in_order_of_first_appearance_without_their_white_space() -> None:
    table = ConceptTable.from_rows([["gcd", " sums\n"], ["sums", "areas"], ["areas", "gcd "]])
    assert table.names == ("gcd", "sums", "areas")
    assert table.frequency.tolist() == [2, 2, 2]


def test_a_concept_repeated_in_one_row_counts_once_and_an_empty_name_not_at_all() -> None:
    table = ConceptTable.from_rows([["gcd", "gcd ", "sums", "", "  "]])
    assert table.names == ("gcd", "sums")
    assert table.frequency.tolist() == [1, 1]
    assert pairs(table) == {("gcd", "sums"): 1, ("sums", "gcd"): 1}


@given(st.lists(st.lists(st.sampled_from("abcdefg"), max_size=6), min_size=1, max_size=20).filter(any))
def test_co_occurrence_is_the_number_of_rows_with_both(rows: list[list[str]]) -> None:
    table = ConceptTable.from_rows(rows)
    assert pairs(table) == Counter(pair for row in rows for pair in permutations(set(row), 2))
    assert dict(zip(table.names, table.frequency.tolist(), strict=True)) == Counter(c for row in rows for c in set(row))
    for row in range(len(table)):
        assert (np.diff(table.indices[table.indptr[row] : table.indptr[row + 1]]) > 0).all()


def test_rows_of_one_concept_give_a_table_without_pairs() -> None:
    table = ConceptTable.from_rows([["a"], ["b"], ["a"]])
    assert (table.frequency.tolist(), table.indptr.tolist(), len(table.indices)) == ([2, 1], [0, 0, 0], 0)


@pytest.mark.parametrize("row", ["gcd, sums", ["gcd", 3], ["gcd", None], None, 7])
def test_a_row_that_is_not_a_list_of_strings_is_named(row: Any) -> None:
    with pytest.raises(InputError, match="seed row 2: `concepts` must be a list of strings"):
        ConceptTable.from_rows([["gcd"], row])


@pytest.mark.parametrize("rows", [[], [[]], [["", " "]]])
def test_no_concepts_at_all_is_a_mistake(rows: list[list[str]]) -> None:
    with pytest.raises(InputError, match="none of the seed rows has a concept"):
        ConceptTable.from_rows(rows)


def test_embeddings_are_aligned_by_name_whatever_their_order() -> None:
    table = ConceptTable.from_rows([["a", "b", "c"]])
    assert align_embeddings(table, iter(["c ", "unknown", "a", "b", "a"]), 5).tolist() == [2, 3, 0]


def test_concepts_without_embedding_are_counted_and_the_first_few_named() -> None:
    table = ConceptTable.from_rows([list("abcdefgh")])
    with pytest.raises(InputError, match="7 of 8 concepts have none: 'a', 'b', 'd', 'e', 'f', …"):
        align_embeddings(table, ["c"], 1)
    with pytest.raises(InputError, match="1 of 8 concepts have none: 'h';"):
        align_embeddings(table, "abcdefg", 7)


@pytest.mark.parametrize("rows", [1, 3])
def test_names_and_matrix_must_have_the_same_length(rows: int) -> None:
    table = ConceptTable.from_rows([["a", "b"]])
    with pytest.raises(InputError, match=f"2 names for {rows} rows"):
        align_embeddings(table, ["a", "b"], rows)
