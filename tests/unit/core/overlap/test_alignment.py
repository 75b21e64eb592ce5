"""The longest common run of tokens of two lists, and their similarity apart from names."""

from __future__ import annotations

import random

import pytest

from promptcot.core.overlap.alignment import alike_but_for_names, longest_common_run


@pytest.mark.parametrize(
    ("one", "other", "run"),
    [
        ("a b c d", "x b c y", "b c"),
        ("a b c d", "a b c d", "a b c d"),
        ("a b x a b", "a b", "a b"),
        ("a b", "c d", ""),
        ("", "a", ""),
        ("a a a b", "a a a a", "a a a"),
    ],
)
def test_the_longest_common_run(one: str, other: str, run: str) -> None:
    words = one.split()
    start, length = longest_common_run(words, other.split())
    assert words[start : start + length] == run.split()


def test_the_longest_common_run_is_that_of_a_search_through_all_runs() -> None:
    rng = random.Random(5)
    for _ in range(200):
        one, other = ([rng.choice("abc") for _ in range(rng.randrange(12))] for _ in range(2))
        runs = {tuple(other[i:j]) for i in range(len(other)) for j in range(i + 1, len(other) + 1)}
        longest = max(
            (j - i for i in range(len(one)) for j in range(i, len(one) + 1) if tuple(one[i:j]) in runs), default=0
        )
        start, length = longest_common_run(one, other)
        assert length == longest
        assert not length or tuple(one[start : start + length]) in runs


def test_a_run_deep_in_long_lists_is_found() -> None:
    run = [f"same {n}" for n in range(50)]
    one = [f"one {n}" for n in range(9000)] + run
    other = [f"other {n}" for n in range(5000)] + run + ["more"]
    assert longest_common_run(one, other) == (9000, 50)


@pytest.mark.parametrize(
    ("one", "other", "share"),
    [
        ("f ( x ) = x + 1", "g ( t ) = t + 1", 7 / 8),  # f comes once only
        ("ann has 3 , and ann eats", "mary has 3 , and mary eats", 1.0),
        ("ann has 3 , and ann eats", "mary has 3 , and paul eats", 5 / 7),
        ("ann and bob : ann has 3 , bob has 4", "eve and eve : eve has 3 , eve has 4", 7 / 11),
        ("a b c", "x y z", 0.0),
        ("a b", "a b c d e", 0.0),
        ("", "", 0.0),
    ],
)
def test_renamed_throughout_is_the_same(one: str, other: str, share: float) -> None:
    assert alike_but_for_names(one.split(), other.split()) == pytest.approx(share)
