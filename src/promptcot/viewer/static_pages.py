"""`view --export-static`: pages of a run's set for sharing, without a server or a script.

Each problem has a page, and lists link to these pages. Reviews and notes are those at the time of the export. The
Content-Security-Policy of each page allows only its own stylesheet.
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
from promptcot.viewer.pages import article_html, own, review_values, shown, written
from promptcot.viewer.queries import Entry, Filter, Lists
from promptcot.viewer.shelf import Shelf

_MADE_BY = "view.json"
_PAGE = 100


@dataclass(frozen=True)
class Exported:
    """The number of problems that have a page and of those in the set, and the path of the first list."""

    pages: int
    of: int
    index: Path


def export_static(shelf: Shelf, directory: Path, limit: int) -> Exported:
    """Write pages for the first `limit` problems of the set. An earlier export in this directory is replaced.

    Raises UsageError for a directory with other files, and StorageError.
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
    numbers = [entry.number for entry in entries]
    texts: dict[int, tuple[str, list[str]]] = {}
    for start in range(0, len(numbers), _PAGE):
        texts |= lists.texts(numbers[start : start + _PAGE])
    return texts


class _Writer:
    """Writes pages that share a stylesheet, formulas and reviews."""

    def __init__(self, shelf: Shelf, directory: Path, total: int) -> None:
        self._shelf = shelf
        self._directory = directory
        self._total = total
        self._formulas = Formulas()
        self._style = style_values(own("view.css"))

    def problem(self, entries: Sequence[Entry], place: int, entry: Entry) -> None:
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
            **review_values(self._shelf.reviews_of(entry.id)),
            list=_list_name(place // _PAGE),
            **neighbours,
        )

    def list(self, entries: Sequence[Entry], start: int, texts: dict[int, tuple[str, list[str]]]) -> None:
        page, last = start // _PAGE, start + _PAGE >= len(entries)
        shown_here = entries[start : start + _PAGE]
        latest = self._shelf.latest_reviews([entry.id for entry in shown_here])
        rows = [(entry, *shown(texts.get(entry.number), self._formulas), latest.get(entry.id)) for entry in shown_here]
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
        write_whole(self._directory / name, written(template, **values, **self._style).encode())


def _list_name(page: int) -> str:
    return f"index-{page + 1}.html" if page else "index.html"
