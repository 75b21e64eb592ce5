"""Reports about unusable replies: the likely cause, and a matching remedy."""

import pytest

from promptcot.core.remedies import advice, described, remedy_for, remedy_for_failed, shown
from promptcot.records import Unusable

MARKED = "<!-- BEGIN RATIONALE -->\nTake"

CASES: list[tuple[str, Unusable, str, str]] = [
    ("cut off, a chat", Unusable("cut off", MARKED, "length", 512, True), "max_tokens = 512 is too low", "--max-len"),
    ("cut off by the context", Unusable("cut off", MARKED, "length", 4096, True, 512), "after 512 tokens, short", "-c"),
    ("cut off at the limit", Unusable("cut off", MARKED, "length", 512, True, 511), "max_tokens = 512 is", "--max-len"),
    ("cut off, raw", Unusable("cut off", MARKED, "length", 512, False), "a chat model does not end", "chat = true"),
    ("still thinking", Unusable("cut off", "<think>\nLet", "length", 512, True), "reasons before", "max_tokens"),
    ("hidden thinking", Unusable("empty", "", "length", 512, True), "reasoning that the server does not show", "raise"),
    ("another reason, and cut off", Unusable("no list", "Well", "length", 9, True), "max_tokens = 9", "max_tokens"),
    ("empty, raw", Unusable("empty", " \n", "stop", 512, False), "gets a raw prompt", "chat = true"),
    ("empty, a chat", Unusable("empty", "", "stop", 512, True), "not a chat model", "chat = false"),
    ("reasoning alone", Unusable("no BEGIN RATIONALE", "<think>a</think>\n", "stop", 9, True), "no answer", "off"),
    ("no markers, raw", Unusable("no BEGIN RATIONALE", "Sure!", "stop", 9, False), "another model", "chat = true"),
    ("no markers, a chat", Unusable("no BEGIN PROBLEM", "Sure!", "stop", 9, True), "another model", "chat = false"),
    ("no labels", Unusable("no ratings", "I cannot rate this.", "stop", 9, True), "another model", "`prompts`"),
    (
        "a label is missing",
        Unusable("missing: Solvability", "Format: bad", "stop", 9, True),
        "another model",
        "prompts",
    ),
    ("contradiction", Unusable("contradiction: Format", "Format: bad", "stop", 9, True), "itself", "stronger"),
    (
        "repeated",
        Unusable("repeated: Final Judgement", "It says:", "stop", 9, True),
        "repeats the text",
        "stronger judge",
    ),
    (
        "unmarked",
        Unusable("unmarked, and the material speaks", "It", "stop", 9, True),
        "leaves out the mark",
        "own_mark",
    ),
    ("declined", Unusable("declined", "I cannot rate it.", "stop", 9, True), "declines", "another judge"),
    ("ended by the server", Unusable("stopped: abort", "Format", "abort", 9, True), "the server ended", "log"),
]


@pytest.mark.parametrize(("reply", "cause", "remedy"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_the_likely_cause_and_its_remedy(reply: Unusable, cause: str, remedy: str) -> None:
    found = advice(reply)
    assert cause in found.cause
    assert remedy in found.remedy
    assert not found.cause.endswith(".")
    assert not found.remedy.endswith(".")


def test_a_reply_is_shown_on_one_line_without_control_characters() -> None:
    line = described(Unusable("no list\x1b[2J", "a\r\n\tb\x00\u2028c\x9b", "len\ngth", 9, True))
    assert line == "(no list\ufffd, finish reason len gth): a b\\x00 c\\u009b"


def test_a_long_text_is_cut_and_an_empty_one_is_named() -> None:
    assert shown("x" * 500) == "x" * 160 + " …"
    assert shown(" " * 5000 + "x") == " …"
    assert shown(" \n") == "(nothing)"


def test_the_remedy_for_dropped_rows_is_that_of_the_most_frequent_reason() -> None:
    assert "every judge" in str(remedy_for({"bad": 1, "missing verdict": 2}))
    assert "stronger verifier" in str(remedy_for({"undecided": 3}))
    assert "`findings`" in str(remedy_for({"invalid: Unique Answer": 3, "invalid verdict": 1}))
    assert "judges whose replies can be parsed" in str(remedy_for({"invalid verdict": 3}))
    assert remedy_for({"repeated": 3}) is None
    assert remedy_for({}) is None


def test_the_remedy_for_failed_rows_is_that_of_the_most_frequent_cause() -> None:
    assert "longer context" in remedy_for_failed({"over-long": 2, "refused": 1})
    assert "the problem that the message names" in remedy_for_failed({"over-long": 1, "refused": 2})
