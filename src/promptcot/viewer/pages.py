"""Renders the viewer's pages. The article of a problem comes from `pages.problem`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from promptcot.core.history import Fate, History
from promptcot.pages.formulas import Formulas
from promptcot.pages.problem import problem_html
from promptcot.pages.templates import environment
from promptcot.stages.review import REVIEW
from promptcot.storage.reviews import LONGEST_NOTE, Review
from promptcot.viewer.queries import MOST_COUNTED, REVIEWS, SORTS, Entry, Filter, Lists

_SHOWN = 360
"""The most characters of a problem that a list shows."""
_LONGEST, _MOST_TRACES, _MOST_REVIEWS = 100_000, 64, 200


def list_html(
    *,
    lists: Lists,
    entries: Sequence[Entry],
    has_more: tuple[bool, bool],
    reviews: Mapping[str, Review],
    reviewers: Sequence[str],
    formulas: Formulas,
    wanted: Filter,
    **common: Any,
) -> str:
    """A page of the list. `has_more` says whether there are problems before and after it."""
    texts = lists.texts([entry.number for entry in entries])
    count = lists.count(wanted)
    return written(
        "list.jinja",
        wanted=wanted,
        rows=[(entry, *shown(texts.get(entry.number), formulas), reviews.get(entry.id)) for entry in entries],
        count=f"more than {MOST_COUNTED:,}" if count > MOST_COUNTED else f"{count:,}",
        total=lists.total(),
        is_filtered=bool(wanted.without("sort").given),
        has_filters=bool(wanted.without("sort", "q").given),
        choices={name: lists.values(name) for name in ("level", "verdict", "validity", "fate", "reason")},
        only_signs=bool(wanted["q"]) and not any(letter.isalnum() for letter in wanted["q"]),
        concepts=lists.concepts(),
        sorts=SORTS,
        review_choices=REVIEWS,
        reviewers=reviewers,
        back=wanted.address(before=entries[0].number) if has_more[0] else None,
        on=wanted.address(after=entries[-1].number) if has_more[1] else None,
        **common,
    )


def shown(found: tuple[str, list[str]] | None, formulas: Formulas) -> tuple[Markup, list[str]]:
    """The beginning of a problem with its formulas, and its concepts."""
    text, concepts = found or ("", [])
    cut = text if len(text) <= _SHOWN else text[:_SHOWN].rsplit(" ", 1)[0] + " …"
    return formulas.html(cut), concepts[:12]


def problem_page_html(
    *,
    history: History,
    before: str | None,
    after: str | None,
    reviews: Sequence[Review],
    formulas: Formulas,
    wanted: Filter,
    **common: Any,
) -> str:
    """The page of one problem, with its neighbours in the filter and its reviews, the latest first."""
    return written(
        "problem_page.jinja",
        row_id=history.id,
        article=article_html(history, formulas),
        **review_values(reviews),
        effect=effect_of(reviews, history.fate),
        back=None if before is None else wanted.address(id=before),
        on=None if after is None else wanted.address(id=after),
        wanted=wanted,
        **common,
    )


def review_values(reviews: Sequence[Review]) -> dict[str, Any]:
    """What templates show of the reviews of a problem, of which the latest is first."""
    return {
        "decision": next((review for review in reviews if review.decision), None),
        "reviews": reviews[:_MOST_REVIEWS],
        "older": max(0, len(reviews) - _MOST_REVIEWS),
        "longest_note": LONGEST_NOTE,
    }


def effect_of(reviews: Sequence[Review], fate: Fate) -> str | None:
    """What the latest decision changes, if a reviewer may expect something else."""
    decision = next((review.decision for review in reviews if review.decision), None)
    was_dropped = fate.kind in ("dropped", "failed")
    if decision == "reject" and not was_dropped:
        return "The next run, select and export leave this problem out. The files of the run do not change until then."
    if decision == "accept" and was_dropped and fate.step == REVIEW:
        return "This problem was dropped as rejected. The next run includes it again."
    if decision == "accept" and was_dropped:
        return "An acceptance does not override a step: this problem stays out of the set."
    return None


def article_html(history: History, formulas: Formulas) -> Markup:
    """The article of a problem, whose title is the title of the page."""
    return problem_html(history, formulas, longest=_LONGEST, most_traces=_MOST_TRACES, heading=1)


def message_html(words: str, note: str = "") -> str:
    """A page with a message, and with a note that was not stored."""
    return written("message.jinja", words=words, note=note)


def written(template: str, **values: Any) -> str:
    """A page from a template of the viewer."""
    page = environment("viewer").get_template(template).render(**values)
    return page.encode(errors="replace").decode()  # a name of a file may not be UTF-8


def own(name: str) -> str:
    """The text of a file of the viewer."""
    return (files("promptcot.viewer") / name).read_text(encoding="utf-8")
