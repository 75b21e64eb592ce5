"""Hashes of runs of characters and tokens."""

from __future__ import annotations

import numpy as np
import pytest

from promptcot.core.overlap import shingles
from promptcot.core.overlap.vectors import as_text, from_text
from promptcot.storage.embeddings import to_float16

TEXT = "let x be the sum of all positive divisors of n where n is the product of two primes that differ by two"


def test_equal_runs_have_equal_hashes_wherever_they_stand() -> None:
    runs = {TEXT[first : first + 5] for first in range(len(TEXT) - 4)}
    assert len(shingles.short(TEXT)) == len(runs)
    assert set(shingles.short(TEXT[20:60]).tolist()) <= set(shingles.short(TEXT).tolist())


def test_the_jaccard_similarity_is_that_of_the_runs() -> None:
    one, other = TEXT, TEXT.replace("primes", "squares")
    first, second = ({text[place : place + 5] for place in range(len(text) - 4)} for text in (one, other))
    found = shingles.jaccard(shingles.short(one), shingles.short(other))
    assert found == pytest.approx(len(first & second) / len(first | second))


@pytest.mark.parametrize("text", ["", "a", "abcd", "abcde", "\ud800\ud800", "数学"])
def test_short_texts_have_one_run_or_none(text: str) -> None:
    assert len(shingles.short(text)) == bool(text)


def test_texts_that_share_a_long_passage_share_an_anchor() -> None:
    words = TEXT.split()
    passage = words[: shingles.WINDOW + shingles.TOKENS - 1]
    for before in range(30):
        text = [*(f"w{before}-{place}" for place in range(before)), *passage, "end", *map(str, range(before))]
        anchors = shingles.anchors(shingles.long(text))
        assert set(anchors.tolist()) & set(shingles.long(passage).tolist())


def test_a_text_of_few_tokens_has_no_long_run() -> None:
    assert not len(shingles.long(TEXT.split()[:7]))
    assert not len(shingles.anchors(shingles.long([])))
    assert shingles.share(shingles.long([]), shingles.long(TEXT.split())) == 0


def test_a_larger_text_holds_all_runs_of_a_part() -> None:
    words = TEXT.split()
    assert shingles.share(shingles.long(words[3:15]), shingles.long(words)) == 1
    assert shingles.share(shingles.long(words), shingles.long(words[3:15])) < 0.5


def test_a_vector_becomes_text_and_comes_back_with_length_one() -> None:
    vector = np.array([3.0, 4.0, 0.0], np.float32)
    assert from_text(as_text(vector)).tolist() == to_float16(vector[np.newaxis] / 5)[0].tolist()
    assert not from_text(as_text(np.zeros(3, np.float32))).any()
