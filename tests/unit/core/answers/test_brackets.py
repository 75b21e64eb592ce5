"""Matching brackets, and the text outside of them."""

from __future__ import annotations

import re

import pytest

from promptcot.core.answers.brackets import closing, deepest, split


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("(a)b", 3),
        ("[0, 9)", 6),
        ("{a{b}c}d", 7),
        (r"\{a\}b", 5),
        (r"\begin{pmatrix}(1)\end{pmatrix}", 31),
        ("((a)", None),
    ],
)
def test_a_group_closes_where_its_bracket_does(text: str, end: int | None) -> None:
    assert closing(text, 0) == end


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("a,b", ["a", "b"]),
        ("(a,b),c", ["(a,b)", "c"]),
        (r"\{a,b\},[0,1)", [r"\{a,b\}", "[0,1)"]),
        ("(a,b", ["(a,b"]),
        ("a),b", ["a),b"]),
        ("", [""]),
    ],
)
def test_only_separators_outside_of_brackets_split(text: str, pieces: list[str]) -> None:
    assert split(text, re.compile(",")) == pieces


def test_the_depth_counts_open_groups() -> None:
    assert [deepest(text) for text in ("a", "(a)", r"\frac{1}{\sqrt{2}}", "(" * 50)] == [0, 1, 2, 50]
