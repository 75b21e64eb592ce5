"""Splitting a text into lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptcot.core.parsing.lines import foreign_lines, lines_of

FOREIGN = ["\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("a", ["a"]),
        ("a\n", ["a"]),
        ("a\nb", ["a", "b"]),
        ("a\r\nb\r\n", ["a", "b"]),
        ("\n\na", ["", "", "a"]),
        ("a\rb\n", ["a\rb"]),
        ("a\r", ["a"]),
        *((f"a{one}b\nc", [f"a{one}b", "c"]) for one in FOREIGN),
    ],
)
def test_a_line_ends_with_a_line_feed_and_nothing_else(text: str, lines: list[str]) -> None:
    assert lines_of(text) == lines


@given(st.text(st.sampled_from(["a", " ", "\n", "é"])))
def test_of_a_text_without_foreign_breaks_the_lines_are_those_of_python(text: str) -> None:
    assert lines_of(text) == text.splitlines()


@pytest.mark.parametrize("separator", ["\r", *FOREIGN])
def test_what_others_take_for_lines_is_told(separator: str) -> None:
    assert foreign_lines(f"a{separator}b") == ["a", "b"]
    assert foreign_lines("a b\t") == []
