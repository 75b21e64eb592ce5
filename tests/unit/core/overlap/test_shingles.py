"""Hashes of runs of characters and tokens."""

from __future__ import annotations

from collections.abc import Callable

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


def anchors(text: str) -> set[int]:
    long = shingles.Hashed([text]).long()
    return {*shingles.anchors(shingles.Runs(long.hashes.astype(np.uint32), long.starts)).hashes.tolist()}


def test_texts_that_share_a_long_passage_share_an_anchor() -> None:
    words = TEXT.split()
    passage = words[: shingles.WINDOW + shingles.TOKENS - 1]
    for before in range(30):
        text = [*(f"w{before}-{place}" for place in range(before)), *passage, "end", *map(str, range(before))]
        assert anchors(" ".join(text)) & {*shingles.long(" ".join(passage)).astype(np.uint32).tolist()}


def test_a_text_of_few_tokens_has_no_long_run() -> None:
    few = " ".join(TEXT.split()[:7])
    assert not len(shingles.long(few))
    assert not anchors(few)
    assert not anchors("")
    assert shingles.share(shingles.long(few), shingles.long(TEXT)) == 0


def test_a_larger_text_holds_all_runs_of_a_part() -> None:
    part = " ".join(TEXT.split()[3:15])
    assert shingles.share(shingles.long(part), shingles.long(TEXT)) == 1
    assert shingles.share(shingles.long(TEXT), shingles.long(part)) < 0.5


MANY = [
    "",
    TEXT,
    "a",
    "find x",
    TEXT[:40],
    "",
    TEXT.replace("two", "2"),
    "数学 " * 30,
    "\ud800",
    TEXT * 3,
    "a b c d e f g h",
]


@pytest.mark.parametrize("of", [shingles.Hashed.short, shingles.Hashed.long])
def test_the_runs_of_a_text_do_not_depend_on_the_texts_beside_it(
    of: Callable[[shingles.Hashed], shingles.Runs],
) -> None:
    together = of(shingles.Hashed(MANY))
    for place, text in enumerate(MANY):
        assert together.only([place]).hashes.tolist() == of(shingles.Hashed([text])).hashes.tolist()
    some = together.only([1, 4, 9])
    assert some.texts.tolist() == sorted(some.texts.tolist())
    assert len(some.hashes) == sum(len(together.only([place]).hashes) for place in (1, 4, 9))


def test_a_masked_text_has_the_hash_of_one_with_other_numbers() -> None:
    one, other, longer, another = shingles.Hashed(
        ["is 3 + 4 odd", "is 17 + 2.5 odd", "is 3 + 4 + 1 odd", "is x + 4 odd"]
    ).masked()
    assert one == other
    assert len({one, longer, another}) == 3


def test_a_vector_becomes_text_and_comes_back_with_length_one() -> None:
    vector = np.array([3.0, 4.0, 0.0], np.float32)
    assert from_text(as_text(vector)).tolist() == to_float16(vector[np.newaxis] / 5)[0].tolist()
    assert not from_text(as_text(np.zeros(3, np.float32))).any()
