"""`view --export-static`: pages of a run's set for sharing, which need no server and no script.

One page for each problem, and lists of them that lead there by relative links. Reviews and notes are shown as they were
when the pages were made. Each page allows nothing but its own stylesheet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptcot.pages.formulas import Formulas
from promptcot.pages.templates import style_values
from promptcot.storage.atomic import write_json, write_whole
from promptcot.storage.folders import begun, publish
from promptcot.storage.reviews import Review, reviews_in
from promptcot.viewer.pages import article_html, own, shown, written
from promptcot.viewer.queries import Entry, Filter, Lists
from promptcot.viewer.shelf import Shelf

_MADE_BY = "view.json"
_PAGE = 100


@dataclass(frozen=True)
class Exported:
    """How many problems have a page, of how many in the set, and the first list."""

    pages: int
    of: int
    index: Path


def export_static(shelf: Shelf, directory: Path, limit: int) -> Exported:
    """Write pages for the first `limit` problems of the set; an earlier export in this place gives way.

    Raises UsageError for a folder that holds something else, and StorageError.
    """
    with shelf.reading() as lists:
        entries = [*_in_the_set(lists, limit)]
        total = dict(lists.values("fate")).get("in the set", 0)
        texts = _texts(lists, entries)
    with begun(directory, _MADE_BY) as folder:
        writer = _Writer(shelf, folder, total)
        for place, entry in enumerate(entries):
            writer.problem(entries, place, entry)
        for page in range(0, max(len(entries), 1), _PAGE):
            writer.list(entries, page, texts)
        write_json(folder / _MADE_BY, {"problems": len(entries), "in_the_set": total})
        publish(directory)
    return Exported(len(entries), total, directory / "index.html")


def _in_the_set(lists: Lists, limit: int) -> Iterator[Entry]:
    """The first problems of the set, in the order of the run."""
    wanted, last = Filter({"fate": "in the set"}), None
    while limit > 0 and (page := lists.page(wanted, after=last, most=min(limit, _PAGE))):
        yield from page
        last, limit = page[-1].number, limit - len(page)


def _texts(lists: Lists, entries: Sequence[Entry]) -> dict[int, tuple[str, list[str]]]:
    numbers = [one.number for one in entries]
    found: dict[int, tuple[str, list[str]]] = {}
    for start in range(0, len(numbers), _PAGE):
        found |= lists.texts(numbers[start : start + _PAGE])
    return found


class _Writer:
    """Writes pages that share a stylesheet, formulas and reviews."""

    def __init__(self, shelf: Shelf, directory: Path, total: int) -> None:
        self._shelf = shelf
        self._directory = directory
        self._total = total
        self._formulas = Formulas()
        self._said: dict[str, list[Review]] = {}
        reviews = reviews_in(shelf.directory)
        self._latest = reviews.latest
        for review in reversed(reviews.lines):
            self._said.setdefault(review.id, []).append(review)
        self._style = style_values(own("view.css"))

    def problem(self, entries: Sequence[Entry], place: int, entry: Entry) -> None:
        said = self._said.get(entry.id, [])
        neighbours = {
            "back": entries[place - 1].number if place else None,
            "on": entries[place + 1].number if place + 1 < len(entries) else None,
        }
        history = self._shelf.history(entry.number, entry.id)
        self._write(
            f"problems/{entry.number}.html",
            "static_problem.jinja",
            title=entry.id,
            article=article_html(history, self._formulas),
            said=said,
            decision=next((one for one in said if one.decision), None),
            list=_list_name(place // _PAGE),
            **neighbours,
        )

    def list(self, entries: Sequence[Entry], start: int, texts: dict[int, tuple[str, list[str]]]) -> None:
        page, last = start // _PAGE, start + _PAGE >= len(entries)
        rows = [
            (one, *shown(texts.get(one.number), self._formulas), self._latest.get(one.id))
            for one in entries[start : start + _PAGE]
        ]
        self._write(
            _list_name(page),
            "static_list.jinja",
            title=self._shelf.directory.resolve().name,
            rows=rows,
            first=start + 1,
            last=start + len(rows),
            pages=len(entries),
            total=self._total,
            back=_list_name(page - 1) if page else None,
            on=None if last else _list_name(page + 1),
        )

    def _write(self, name: str, template: str, **values: Any) -> None:
        write_whole(self._directory / name, written(template, **values, **self._style).encode(errors="replace"))


def _list_name(page: int) -> str:
    return f"index-{page + 1}.html" if page else "index.html"
