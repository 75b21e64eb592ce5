"""The generator's markup: what is parsed, what is not, and why."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from promptcot.core.parsing.blocks import Blocks, Unreadable, parse, parse_others
from promptcot.core.parsing.blocks import render as render_blocks
from tests.generations import read_as, render

GOOD = """
<!-- BEGIN RATIONALE -->
Choose n = 36.
<!-- END RATIONALE -->
<!-- BEGIN PROBLEM -->
Find n.
<!-- END PROBLEM -->
"""
READ = read_as("Choose n = 36.", "Find n.")


def without(name: str) -> str:
    return GOOD.replace(f"<!-- {name} -->", "")


def test_both_parts_are_read_without_the_space_around_them() -> None:
    assert parse(GOOD) == READ


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace("\n", ""),
        GOOD.replace("\n", "\r\n"),
        "Here is my problem.\n" + GOOD,
        GOOD + "\nDo you want another one?",
        "<think>I should write a rationale first.</think>" + GOOD,
        f"```\n{GOOD}\n```",
        GOOD.replace("<!-- BEGIN PROBLEM -->", "```\n\n```markdown\n<!-- BEGIN PROBLEM -->"),
    ],
    ids=["one line", "windows", "text before", "text after", "thinking", "fence", "a fence for each"],
)
def test_text_around_the_parts_is_left_aside(text: str) -> None:
    assert parse(text) == READ


def test_a_text_that_is_complete_is_read_even_if_the_model_ran_on_to_its_limit() -> None:
    assert parse(GOOD + "and so on and so", "length") == READ


def test_comments_that_are_no_markers_belong_to_the_text() -> None:
    assert parse(GOOD.replace("Find n.", "Find n. <!-- BEGIN SOLUTION -->")) == read_as(
        "Choose n = 36.", "Find n. <!-- BEGIN SOLUTION -->"
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n\t", "empty"),
        ("Find n.", "no BEGIN RATIONALE"),
        (without("BEGIN RATIONALE"), "no BEGIN RATIONALE"),
        (without("END RATIONALE"), "no END RATIONALE"),
        (without("BEGIN PROBLEM"), "no BEGIN PROBLEM"),
        (without("END PROBLEM"), "no END PROBLEM"),
        (GOOD.lower(), "no BEGIN RATIONALE"),
        (GOOD.replace("END PROBLEM -->", "END PROBLEM --"), "no END PROBLEM"),
        (GOOD.replace("END PROBLEM", "END  PROBLEM"), "no END PROBLEM"),
        (GOOD + GOOD, "repeated BEGIN RATIONALE"),
        (GOOD + "<!-- END PROBLEM -->", "repeated END PROBLEM"),
        (
            GOOD.replace("RATIONALE", "X").replace("PROBLEM", "RATIONALE").replace("X", "PROBLEM"),
            "markers out of order",
        ),
        (GOOD.replace("BEGIN", "X").replace("END", "BEGIN").replace("X", "END"), "markers out of order"),
        (GOOD.replace("<!-- BEGIN PROBLEM", "The problem:\n<!-- BEGIN PROBLEM"), "text between rationale and problem"),
        (GOOD.replace("Choose n = 36.", ""), "empty rationale"),
        (GOOD.replace("Find n.", " "), "empty problem"),
    ],
)
def test_nothing_is_guessed(text: str, reason: str) -> None:
    assert parse(text) == Unreadable(reason)


@pytest.mark.parametrize("end", ["END PROBLEM", "BEGIN PROBLEM", "END RATIONALE"])
def test_a_text_that_the_limit_cut_off_is_told_from_one_that_lacks_its_end(end: str) -> None:
    text = GOOD[: GOOD.index(f"<!-- {end}")]
    assert parse(text, "length") == Unreadable("cut off")
    assert parse(text, "stop") == Unreadable(f"no {end}")


def test_a_cut_off_text_whose_markers_are_wrong_anyway_is_not_called_cut_off() -> None:
    assert parse(without("END RATIONALE")[:-20], "length") == Unreadable("no END RATIONALE")


parts = st.text().filter(str.strip)


@given(parts, parts)
def test_what_is_rendered_is_read_as_it_was(rationale: str, problem: str) -> None:
    text = (rationale + problem).upper()
    assume(not any(word in text for word in ("<!--", "RATIONALE", "PROBLEM", "THINK>")))
    assert parse(render(rationale, problem)) == read_as(rationale.strip(), problem.strip())


pieces = st.sampled_from(["<!-- ", " -->", "BEGIN ", "END ", "RATIONALE", "PROBLEM", "\n", "```", "n = 36", GOOD])


@given(st.one_of(st.text(), st.lists(pieces).map("".join)), st.sampled_from(["stop", "length", "other"]))
def test_any_text_is_either_read_or_unreadable(text: str, finish_reason: str) -> None:
    match parse(text, finish_reason):
        case {"rationale": rationale, "problem": problem}:
            assert rationale == rationale.strip() != ""
            assert problem == problem.strip() != ""
            assert "<!-- BEGIN PROBLEM -->" not in problem
        case Unreadable(reason):
            assert reason


ALONE = "<!-- BEGIN RATIONALE -->\nChoose n = 36.\n<!-- END RATIONALE -->"


@pytest.mark.parametrize(
    "text",
    [
        ALONE,
        f"\n{ALONE}\n",
        f"Here it is.\n```\n{ALONE}\n```\nShall I go on?",
        f"<think>I write {ALONE[:24]} first, no problem.</think>\n{ALONE}",
        f"Perhaps {GOOD}?</think>{ALONE}",
    ],
    ids=["alone", "space", "text around", "thinking", "thinking that the prompt opened"],
)
def test_an_annotator_writes_the_rationale_alone(text: str) -> None:
    assert parse_others(text) == {"rationale": "Choose n = 36."}
    assert parse_others(text, "length") == {"rationale": "Choose n = 36."}


@pytest.mark.parametrize(
    ("text", "finish_reason", "reason"),
    [
        ("", "stop", "empty"),
        (f"<think>{ALONE}", "stop", "unclear thinking"),
        (f"<think>{ALONE}", "length", "cut off"),
        (ALONE[:40], "length", "cut off"),
        (ALONE[:40], "stop", "no END RATIONALE"),
        ("Choose n = 36.", "stop", "no BEGIN RATIONALE"),
        (f"{ALONE}\n{ALONE}", "stop", "repeated BEGIN RATIONALE"),
        ("<!-- END RATIONALE --><!-- BEGIN RATIONALE -->", "stop", "markers out of order"),
        (ALONE.replace("Choose n = 36.", " "), "stop", "empty rationale"),
        (GOOD, "stop", "problem markers"),
        (ALONE.replace("n = 36", "<!-- BEGIN PROBLEM -->"), "stop", "problem markers"),
        (f"{ALONE}<!-- END PROBLEM -->", "length", "problem markers"),
    ],
)
def test_an_annotators_text_that_is_no_rationale_says_why(text: str, finish_reason: str, reason: str) -> None:
    assert parse_others(text, finish_reason) == Unreadable(reason)


PUZZLE = Blocks(("setup", "puzzle", "unit_tests"), problem="puzzle")
WRITTEN = {"setup": "Two doors.", "puzzle": "Which door?", "unit_tests": "assert answer == 'left'"}


def test_the_blocks_of_another_domain_are_read_in_its_order() -> None:
    text = render_blocks(WRITTEN, PUZZLE)
    assert "<!-- BEGIN UNIT_TESTS -->" in text
    assert parse(text, blocks=PUZZLE) == WRITTEN
    assert PUZZLE.fields(WRITTEN) == {**WRITTEN, "problem": "Which door?"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("<!-- END SETUP -->", ""), "no END SETUP"),
        (("<!-- BEGIN UNIT_TESTS -->", "and\n<!-- BEGIN UNIT_TESTS -->"), "text between puzzle and unit_tests"),
        (("assert answer == 'left'", ""), "empty unit_tests"),
        (("UNIT_TESTS", "UNIT-TESTS"), "no BEGIN UNIT_TESTS"),
        (("Which door?", "Which door?\nEND UNIT TESTS"), "unclear marker"),
        (("Two doors.", "Two doors.\n--- begin puzzle"), "unclear marker"),
        (("Two doors.", "<!-- BEGIN PUZZLE --> Two doors."), "repeated BEGIN PUZZLE"),
        (("Two doors.", "<think>Two doors."), "unclear thinking"),
    ],
)
def test_other_blocks_are_read_as_strictly(change: tuple[str, str], reason: str) -> None:
    assert parse(render_blocks(WRITTEN, PUZZLE).replace(*change), blocks=PUZZLE) == Unreadable(reason)


def test_markers_of_other_domains_are_text() -> None:
    text = render_blocks({**WRITTEN, "setup": "<!-- BEGIN PROBLEM --> is a comment here"}, PUZZLE)
    assert isinstance(parse(text, blocks=PUZZLE), dict)


def test_an_annotator_writes_all_blocks_but_the_problem() -> None:
    others = {name: text for name, text in WRITTEN.items() if name != "puzzle"}
    text = "\n".join(render_blocks({name: block}, Blocks((name,), name)) for name, block in others.items())
    assert parse_others(text, blocks=PUZZLE) == others
    assert parse_others(render_blocks(WRITTEN, PUZZLE), blocks=PUZZLE) == Unreadable("puzzle markers")


def test_a_block_that_the_prompt_shows_is_not_the_models() -> None:
    text = render_blocks(WRITTEN, PUZZLE)
    assert parse(text, prompt=f"Write as here:\n{text}", blocks=PUZZLE) == Unreadable("repeated from the prompt")


def test_a_block_whose_name_begins_like_another_one_is_told_from_it() -> None:
    blocks = Blocks(("test", "tests", "problem"))
    texts = {"test": "one", "tests": "two", "problem": "three"}
    assert parse(render_blocks(texts, blocks), blocks=blocks) == texts
