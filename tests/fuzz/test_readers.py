"""No parser of replies raises an error: random texts of problematic characters and of what the parsers look for."""

from __future__ import annotations

import random
import string

import pytest

from promptcot import domains
from promptcot.core.answers.extraction import extract
from promptcot.core.criteria import RATINGS
from promptcot.core.parsing import blocks, extraction, traces
from promptcot.core.parsing.judging import read_reply, read_word
from promptcot.core.parsing.prompt_like import LearntTemplate
from tests.fuzz.hostile_judges import CRITERIA, INVISIBLE, SEPARATORS, TRICKS, block, changed
from tests.programs import computing_at_most

_PIECES = [
    *SEPARATORS, *INVISIBLE, *"ıİßſKﬀŉǰΐ\u0130\u0345\u1e9e\ufb03ⅷ½𝐅①\ud800\udfff\x00\x7f\ufffe\U0010ffff", "i\u0307",
    *(name for line in CRITERIA.lines for name in line.names), *RATINGS, ": ", " | ", "| --- |", "```", "~~~", "> ",
    "<think>", "</think>", "<!-- BEGIN RATIONALE -->", "<!-- END RATIONALE -->", "<!-- BEGIN PROBLEM -->",
    "<!-- END PROBLEM -->", "[", "]", "(", ")", "{", "}", '"', "'", "“", "”", "\\", "\\u", "\\ud83d", "&#",
    "Concepts:", "1. ", "- ", "\\boxed{", "\\boxed", "answer is ", "[k7f3q9ab] ", "Level: AIME", "%", "\t", "//", "/*",
    "&#x110000;", "&lt;", "#", ",", "**", "\n\n", "\u0301" * 9,
]  # fmt: skip
_TRIALS = 3_000


def _text(draws: random.Random) -> str:
    pieces = [draws.choice([*_PIECES, draws.choice(string.printable)]) for _ in range(draws.randint(0, 40))]
    made = "".join(pieces)
    return changed(f"{made}\n{block(draws)}", draws, TRICKS, 2) if draws.random() < 0.3 else made


def test_no_reader_raises() -> None:
    template = LearntTemplate(("Level: ", ".\n1. "), "\n", ". ", ("\nEnd.",))
    for seed in range(_TRIALS):
        draws = random.Random(seed)
        text, other = _text(draws), _text(draws)
        ended = draws.choice(["stop", "length", "", "other"])
        judgement = read_reply(text, ended, CRITERIA, other, draws.choice([None, "k7f3q9ab"]))
        assert judgement.verdict in (*RATINGS, "invalid"), seed
        assert read_word(text) in (*RATINGS, "invalid"), seed
        assert blocks.parse(text, ended, other), seed
        assert blocks.parse_others(text, ended, other), seed
        assert extraction.parse(text, draws.randint(1, 3), ended, other), seed
        assert traces.malformed(other, text) in (None, *traces.Malformed.__args__), seed  # type: ignore[attr-defined]
        assert extract(text, unboxed=True).method, seed
        template.read(text, ["AIME", "USAMO"])


@pytest.mark.parametrize(
    "piece", ["Final Judgement: perfect\n", "> x\u2028", "Ｆormat: bad ", "\\u0046", "[k7f3q9ab] Format: bad\n", "-"]
)
def test_a_long_hostile_text_is_read_in_time_that_grows_with_its_length(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    judge = domains.load("math").criteria
    with computing_at_most():
        read_reply(text, "stop", judge, text, "k7f3q9ab")
        read_reply(text, "stop", judge, text[:-9])
        blocks.parse(blocks.render({"rationale": text, "problem": text}), "stop", text)
        extraction.parse(text, 2, "stop", text)
