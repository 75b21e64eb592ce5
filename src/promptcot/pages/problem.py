"""One problem with its complete history as HTML: the statement, the judges' ratings, the traces, the outcome.

Decides what is visible and what is folded. Reports and the viewer show the same article.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from promptcot.core.history import SET, Fate, History, reason_of
from promptcot.pages.formulas import Formulas
from promptcot.pages.templates import LONGEST_NAME, environment
from promptcot.printable import quoted

_OUTCOMES = {"out": "passed", "dropped": "dropped", "failed": "failed"}
_LONGEST_ANSWER = 300
_MOST_JUDGES, _MOST_CRITERIA, _MOST_CONCEPTS = 20, 40, 60
"""Columns, rows and tags of an article; a row of a damaged file may have any number."""


class Step(NamedTuple):
    """The outcome of a problem in one step."""

    step: str
    outcome: str
    reason: str | None


def problem_html(
    history: History,
    formulas: Formulas,
    *,
    longest: int | None = None,
    most_traces: int | None = None,
    heading: int = 3,
    note: str | None = None,
    whole: str = "in the files of the run.",
) -> Markup:
    """The article of a problem.

    `longest` limits the characters of each text and `most_traces` the number of traces; `whole` ends the line that says
    where the rest is. `heading` is the level of the title, `note` a line below it.
    """

    def html(text: str) -> Markup:
        return shortened(text, formulas, longest, whole)

    fate, fate_class = fate_words(history.fate)
    judged = history.judged[:_MOST_JUDGES]
    written = (
        environment()
        .get_template("problem.jinja")
        .render(
            it=history,
            html=html,
            title=_title(history),
            fate=fate,
            fate_class=fate_class,
            answer=answer_html(history.answer or "", formulas),
            judged=judged,
            criteria=list(dict.fromkeys(name for one in judged for name in one.ratings))[:_MOST_CRITERIA],
            concepts=history.concepts[:_MOST_CONCEPTS],
            traces=history.traces[:most_traces],
            steps=_steps(history),
            heading=heading,
            note=note,
            whole=whole,
        )
    )
    return Markup(written)


def shortened(text: str, formulas: Formulas, longest: int | None, whole: str) -> Markup:
    """A text with its formulas; of a longer one its beginning, and a line that says how long it is."""
    if longest is None or len(text) <= longest:
        return formulas.html(text)
    cut = Markup('<p class="note">… cut here after {:,} of {:,} characters. The whole text is {}</p>')
    return formulas.html(text[:longest]) + cut.format(longest, len(text), whole)


def answer_html(answer: str, formulas: Formulas) -> Markup:
    """An answer, which graders extract without its dollars: as a formula where it looks like LaTeX."""
    if len(answer) > _LONGEST_ANSWER:
        return shortened(answer, formulas, _LONGEST_ANSWER, "in the files of the run.")
    if "$" in answer or not any(sign in answer for sign in "\\^_"):
        return formulas.html(answer)
    return formulas.formula(answer, answer, block=False)


def fate_words(fate: Fate) -> tuple[str, str]:
    """Where a problem ended in words, and the class of the stylesheet for it."""
    reason = f": {quoted(fate.reason)}" if fate.reason else ""
    if fate.kind == "in the set":
        return "in the set", "in"
    if fate.kind == "under way":
        return f"not finished{f', last seen in {fate.step}' if fate.step else ''}", "open"
    return f"{fate.kind} by {fate.step}{reason}" if fate.kind == "dropped" else f"failed in {fate.step}{reason}", "out"


def _title(history: History) -> Markup:
    level = quoted(history.level, LONGEST_NAME) if history.level else None
    code = Markup("<code>{}</code>").format(quoted(history.id, LONGEST_NAME))
    return Markup("{} · {}").format(level, code) if level else code


def _steps(history: History) -> Sequence[Step]:
    return [Step(one.step, _OUTCOMES[one.outcome], reason_of(one)) for one in history.steps if one.step != SET]
