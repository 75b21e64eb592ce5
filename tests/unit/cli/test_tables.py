"""Tables: what fits a width, what wraps, which column is flush right, and that a cell is text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from promptcot.cli.report.tables import Heading, table
from promptcot.cli.report.validity import validity_lines
from promptcot.cli.report.wrapping import fitted
from promptcot.core.statistics.validity import ValidityByAgreement
from promptcot.core.units import counted

SCORES = [
    ("benchmark", "problems", "accuracy, % (mean ± SD over runs)", "95 % interval", "published"),
    ("math-500", "500", "12.3 ± 1.1", "10.1 to 14.2", "n/a"),
    ("aime2024", "1,030", "n/a", "n/a", "13.1 (on aime2024-i, which is another one)"),
]
WIDE = [("yield", *(f"step-{number:02}" for number in range(12))), ("all", *["12.5 %"] * 12)]


@pytest.mark.parametrize("width", [200, 100, 80, 60, 40])
@pytest.mark.parametrize("rows", [SCORES, WIDE])
def test_a_table_fits_and_breaks_no_word(rows: list[tuple[str, ...]], width: int) -> None:
    lines = list(table(rows, width=width))
    assert max(map(len, lines)) <= width
    shown = {word for line in lines for word in line.split()}
    assert {word for row in rows for cell in row for word in cell.split()} <= shown


_CELL = st.text(st.characters(codec="utf-8"), max_size=30)


@given(st.lists(st.tuples(_CELL, _CELL, _CELL), min_size=1, max_size=5), st.integers(20, 120))
def test_any_text_fits(rows: list[tuple[str, str, str]], width: int) -> None:
    for line in table(rows, width=width):
        assert cell_len(line) <= width
        assert "\x1b" not in line


def test_numbers_are_flush_right_and_text_is_flush_left() -> None:
    head, first, second = table([("a", "n", "b"), ("x", "1,000", "y"), ("xyz", "5 %", "yes")], width=80)
    assert (head, first, second) == ("a        n  b", "x    1,000  y", "xyz    5 %  yes")


def test_a_wide_table_goes_on_below_with_its_first_column() -> None:
    lines = list(table(WIDE, width=60))
    assert "" in lines
    assert [line.split()[0] for line in lines if line] == ["yield", "all"] * 2
    assert sum(line.count("12.5 %") for line in lines) == 12


def test_only_lines_of_the_header_are_headings() -> None:
    lines = list(table(SCORES, width=80))
    headings = [line for line in lines if isinstance(line, Heading)]
    assert "benchmark" in headings[-1]
    assert not any(word in line for line in headings for word in ("math-500", "aime2024"))


def test_a_long_path_is_folded_and_nothing_of_it_is_lost() -> None:
    path = "/a/very/long" * 12
    lines = list(table([("file", "size"), (path, "1 kB")], width=40))
    assert max(map(len, lines)) <= 40
    assert "".join(line.split()[0] for line in lines[1:]) == path


def test_lines_under_an_indented_cell_are_indented() -> None:
    lines = list(table([("rate", "value"), ("    tokens that are read in a second by one GPU", "1")], width=30))
    assert all(line.startswith("    ") for line in lines[1:])


def test_markup_and_control_characters_are_text() -> None:
    lines = list(table([("concept", "n"), ("[red]x[/red] :smile: https://a.b", "1"), ("a\x1b[31mb\nc", "2")], width=80))
    assert "[red]x[/red] :smile: https://a.b" in lines[1]
    assert "\x1b" not in "".join(lines)
    assert len(lines) == 3


def test_a_thousand_rows_are_a_thousand_lines() -> None:
    assert len(list(table([("level", "n"), *((f"level {n}", f"{n:,}") for n in range(1000))], width=80))) == 1001


def test_a_line_wraps_between_words_under_its_beginning() -> None:
    assert fitted("  " + "word " * 10 + "/a/long/path/that/stays/whole", 30).split("\n") == [
        "  word word word word word",
        "    word word word word word",
        "    /a/long/path/that/stays/whole",
    ]


@pytest.mark.parametrize("line", ["$ promptcot run nano --target 20", "  promptcot doctor --base-url URL", "short"])
def test_a_command_is_left_whole(line: str) -> None:
    assert fitted(line, 20) == line


@pytest.mark.parametrize("line", ["", "a" * 100, "  " + "b" * 100])
def test_what_cannot_be_wrapped_is_left_to_the_terminal(line: str) -> None:
    assert fitted(line, 20) == line


@pytest.mark.parametrize(
    ("count", "nouns", "said"),
    [
        (0, ("row",), "0 rows"),
        (1, ("row",), "1 row"),
        (2000, ("row",), "2,000 rows"),
        (2, ("reply", "replies"), "2 replies"),
    ],
)
def test_counts_have_their_noun(count: int, nouns: tuple[str, ...], said: str) -> None:
    assert counted(count, *nouns) == said


def test_validity_has_a_number_for_each_band_and_their_sum() -> None:
    found = ValidityByAgreement()
    for agreement in (1.0, 1.0, 0.8, None):
        found.add({"verdict": "valid"}, agreement)
    found.add({"verdict": "invalid"}, 0.6)
    head, valid, invalid = validity_lines(found.summary()["validity_by_agreement"])
    assert head.split() == ["validity", "by", "agreement", "1", ">=0.75", ">=0.5", "<0.5", "none", "n"]
    assert valid.split() == ["valid", "2", "1", "0", "0", "1", "4"]
    assert invalid.split() == ["invalid", "0", "0", "1", "0", "0", "1"]


def test_validity_of_problems_that_nobody_verified_is_not_shown() -> None:
    found = ValidityByAgreement()
    found.add(None, 1.0)
    assert not list(validity_lines(found.summary()["validity_by_agreement"]))
    assert not list(validity_lines({}))
