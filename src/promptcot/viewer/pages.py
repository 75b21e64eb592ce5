"""The HTML of the viewer's pages: what templates are given. The article of a problem is that of `pages.problem`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from promptcot.core.criteria import RATINGS
from promptcot.core.history import History
from promptcot.pages.formulas import Formulas
from promptcot.pages.problem import problem_html
from promptcot.pages.templates import environment
from promptcot.storage.reviews import Review
from promptcot.viewer.queries import MOST_COUNTED, REVIEWS, SORTS, Entry, Filter, Lists

_SHOWN = 360
"""Characters of a problem in a list."""
_LONGEST, _MOST_TRACES = 100_000, 64


def list_html(
    *,
    lists: Lists,
    entries: Sequence[Entry],
    has_more: tuple[bool, bool],
    reviews: Mapping[int, Review],
    reviewers: Sequence[str],
    formulas: Formulas,
    wanted: Filter,
    **common: Any,
) -> str:
    """A page of the list. `has_more` says whether there are problems before and behind it."""
    texts = lists.texts([one.number for one in entries])
    count = lists.count(wanted)
    return written(
        "list.jinja",
        wanted=wanted,
        rows=[(one, *shown(texts.get(one.number), formulas), reviews.get(one.number)) for one in entries],
        count=f"more than {MOST_COUNTED:,}" if count > MOST_COUNTED else f"{count:,}",
        total=lists.total(),
        is_filtered=bool(wanted.without("sort").given),
        has_filters=bool(wanted.without("sort", "q").given),
        choices={name: lists.values(name) for name in ("level", "verdict", "validity", "fate", "reason")},
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
    said: Sequence[Review],
    formulas: Formulas,
    wanted: Filter,
    **common: Any,
) -> str:
    """The page of one problem, with its neighbours in the filter and what reviewers said."""
    return written(
        "problem_page.jinja",
        row_id=history.id,
        article=article_html(history, formulas),
        decision=next((one for one in said if one.decision), None),
        said=said,
        back=None if before is None else wanted.address(id=before),
        on=None if after is None else wanted.address(id=after),
        wanted=wanted,
        **common,
    )


def article_html(history: History, formulas: Formulas) -> Markup:
    """A problem with its history, its title as the title of the page."""
    return problem_html(history, formulas, longest=_LONGEST, most_traces=_MOST_TRACES, heading=1)


def message_html(words: str) -> str:
    """A page with one sentence."""
    return written("message.jinja", words=words)


def written(template: str, **values: Any) -> str:
    """A page from a template of this room."""
    ratings = [*RATINGS, "unreadable"]
    return environment("viewer").get_template(template).render(ratings=ratings, **values)


def own(name: str) -> str:
    """The text of a file of this room."""
    return (files("promptcot.viewer") / name).read_text(encoding="utf-8")
