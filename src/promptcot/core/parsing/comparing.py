"""Parses a model's decision whether two problems are the same task.

`labelled` decides how strictly it is parsed and whose words count, as for judges.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from promptcot.core.criteria import criterion_of
from promptcot.core.parsing.disowned import declines_to_vote
from promptcot.core.parsing.labelled import Form, Stated, read_labelled
from promptcot.core.parsing.scale import Scale
from promptcot.core.verification import ANSWERS
from promptcot.records import FinishReason

Sameness = Literal["same", "undecided", "different"]
VERDICTS: tuple[Sameness, ...] = ("same", "undecided", "different")


def _line(key: str, label: str) -> dict[str, str]:
    return {"key": key, "label": label, "meaning": label}


SITUATION, QUESTION, VERDICT = (
    criterion_of(_line(key, label))
    for key, label in (
        ("situation", "Same Situation"),
        ("question", "Same Question"),
        ("verdict", "Final Verdict"),
    )
)
"""The lines of a reply, in order."""


def read_comparison(
    text: str, finish_reason: FinishReason, problems: str, mark: str | None = None
) -> tuple[Sameness | None, str | None]:
    """The decision in a reply about two problems, and if that is None, why it cannot be parsed. Never raises.

    `mark` and the reasons are those of `labelled.read_labelled`.
    """
    stated: Stated = read_labelled(text, finish_reason, _FORM, problems, mark)
    found = next((verdict for verdict in VERDICTS if verdict == stated.verdict), None)
    return found, stated.reason


def _follows(answers: Mapping[str, str]) -> Sameness:
    words = {*answers.values()}
    if "no" in words:
        return "different"
    return "undecided" if "unclear" in words else "same"


_FORM = Form(
    (SITUATION, QUESTION, VERDICT), Scale(ANSWERS), Scale(VERDICTS), _follows, "judge", "answers", declines_to_vote
)
