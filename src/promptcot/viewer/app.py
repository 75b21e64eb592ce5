"""The pages of the viewer: a list with search and filters, and a problem with its history, decisions and notes.

Everything works with links and forms; `view.js` adds keys. `guard` decides which requests are allowed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from promptcot.errors import PromptCoTError, StorageError
from promptcot.pages.formulas import Formulas
from promptcot.pages.templates import stylesheet
from promptcot.printable import printable
from promptcot.storage.reviews import LONGEST_NOTE
from promptcot.viewer.entries import own_id
from promptcot.viewer.guard import Guard
from promptcot.viewer.pages import list_html, message_html, own, problem_page_html
from promptcot.viewer.queries import PAGE, Entry, Filter, Lists
from promptcot.viewer.shelf import Shelf

_LONGEST_BODY = 500_000
"""Bytes of a form. A note of 10,000 characters has 120,000 bytes if each is encoded as %XX%XX%XX%XX."""
_LONGEST_NAME = 80
_YEAR = 365 * 24 * 3600
_DECISIONS: Mapping[str, Any] = {"accept": "accept", "reject": "reject"}
_STATES = {
    "being written": "This run is being written. Reload the page to see new problems.",
    "interrupted": "This run was interrupted. The page shows what the run had written.",
    "incomplete": "Some files of this run are gone. The page shows what the others contain.",
}


_MOST_IGNORED = 64_000_000
"""Bytes of a form that is too long that are read before the connection is closed."""
_TOO_LONG = f"Nothing was stored: a note can have at most {LONGEST_NOTE:,} characters."
_OLD_FORM = "Nothing was stored: this form is from an earlier session. Open the problem again."
_NO_PROBLEM = "No problem of this run has this id."


class Refused(PromptCoTError):
    """A request that cannot be fulfilled, with the `status` of its response. A `note` is shown, so it is not lost."""

    def __init__(self, words: str, status: int, note: str = "") -> None:
        super().__init__(words)
        self.status, self.note = status, note


@dataclass
class Viewer:
    """The application for one run. `reviewer` is the name of reviewers who did not enter another."""

    shelf: Shelf
    guard: Guard
    reviewer: str

    def app(self) -> Starlette:
        """The ASGI application."""
        routes = [
            Route("/", self._page(self._list)),
            Route("/problem", self._page(self._problem)),
            Route("/decide", self._form(self._decide), methods=["POST"]),
            Route("/name", self._form(self._name), methods=["POST"]),
            Route("/styles.css", _file(stylesheet() + own("view.css"), "text/css")),
            Route("/view.js", _file(own("view.js"), "text/javascript")),
        ]
        return Starlette(
            routes=routes,
            middleware=[Middleware(BaseHTTPMiddleware, dispatch=self.guard)],
            exception_handlers={404: _not_found},
        )

    def _page(self, make: Callable[[Request], str]) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            return await run_in_threadpool(self._answered, lambda: HTMLResponse(make(request)))

        return answer

    def _form(self, act: Callable[[Request, Mapping[str, str]], Response]) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            try:
                fields = await _fields(request)
            except ClientDisconnect:
                return Response(status_code=400)
            if fields is None:
                return HTMLResponse(message_html(_TOO_LONG), 413)
            if len(note := _note(fields)) > LONGEST_NOTE:
                return HTMLResponse(message_html(_TOO_LONG, note), 413)
            if not self.guard.is_csrf(request, fields.get("csrf", "")):
                return HTMLResponse(message_html(_OLD_FORM, note), 403)
            return await run_in_threadpool(self._answered, lambda: act(request, fields))

        return answer

    def _answered(self, make: Callable[[], Response]) -> Response:
        """The response. A damaged index is rebuilt once."""
        try:
            try:
                return make()
            except sqlite3.DatabaseError as error:
                if _is_busy(error):
                    raise
                self.shelf.rebuild()
                return make()
        except Refused as error:
            return HTMLResponse(message_html(str(error), error.note), error.status)
        except (PromptCoTError, sqlite3.DatabaseError) as error:
            return HTMLResponse(message_html(f"The page cannot be shown now: {error}"), 500)

    def _list(self, request: Request) -> str:
        self.shelf.look_again()
        wanted = Filter.of(request.query_params)
        with self.shelf.reading() as lists:
            place = {name: _whole(request.query_params.get(name)) for name in ("after", "before")}
            entries, has_more = _page_of(lists, wanted, place["after"], place["before"])
            return list_html(
                **self._common(request, wanted),
                lists=lists,
                entries=entries,
                place=place,
                has_more=has_more,
                reviews=self.shelf.latest_reviews([entry.id for entry in entries]),
                reviewers=self.shelf.reviewers(),
                formulas=Formulas(),
            )

    def _problem(self, request: Request) -> str:
        self.shelf.look_again()
        wanted, row_id = Filter.of(request.query_params), request.query_params.get("id", "")
        with self.shelf.reading() as lists:
            number = lists.number_of(row_id)
            if number is None:
                raise Refused(_NO_PROBLEM, 404)
            before, after = lists.page(wanted, before=number, most=1), lists.page(wanted, after=number, most=1)
            return problem_page_html(
                **self._common(request, wanted),
                history=self.shelf.history(number, row_id),
                before=before[0].id if before else None,
                after=after[0].id if after else None,
                reviews=self.shelf.reviews_of(row_id),
                formulas=Formulas(),
            )

    def _common(self, request: Request, wanted: Filter) -> dict[str, Any]:
        """The values on every page."""
        notices = [*filter(None, [_STATES.get(self.shelf.files.state)]), *self.shelf.notices()]
        named = request.cookies.get(self.guard.name_cookie)
        return {
            "run": self.shelf.directory.resolve().name,
            "notices": notices,
            "wanted": wanted,
            "reviewer": (_name(unquote(named)) if named else "") or _name(self.reviewer),
            "is_named": bool(named),
            "csrf": self.guard.csrf(request),
        }

    def _decide(self, request: Request, fields: Mapping[str, str]) -> Response:
        row_id, note = unquote(fields.get("id", "")), _note(fields)
        decision = _DECISIONS.get(fields.get("decision", ""))
        with self.shelf.reading() as lists:
            number, key = lists.number_of(row_id), row_id
            if number is None:
                raise Refused(_NO_PROBLEM, 404, note)
            row_id = own_id(self.shelf.history(number, row_id))
        if decision is None and not note:
            raise Refused("Nothing was stored: the form has neither a decision nor a note.", 400)
        reviewer = self._common(request, Filter())["reviewer"]
        try:
            self.shelf.decide(row_id, decision, note or None, reviewer)
        except StorageError as error:
            raise Refused(f"Your review was not stored. {error}.", 500, note) from error
        wanted = Filter.of(dict(parse_qsl(fields.get("filter", ""))))
        if fields.get("to") == "list":
            place = {name: _whole(fields.get(name)) for name in ("after", "before")}
            return RedirectResponse(f"/?{wanted.address(**place)}", 303)
        return RedirectResponse(f"/problem?{wanted.address(id=key)}", 303)

    def _name(self, request: Request, fields: Mapping[str, str]) -> Response:
        wanted = Filter.of(dict(parse_qsl(fields.get("filter", ""))))
        row_id = unquote(fields.get("id", "")) or None
        response = RedirectResponse(f"/{'problem' if row_id else ''}?{wanted.address(id=row_id)}", 303)
        if name := _name(fields.get("name", "")):
            cookie = partial(response.set_cookie, max_age=_YEAR, httponly=True, samesite="strict", path="/")
            cookie(self.guard.name_cookie, quote(name))
        return response


def _page_of(
    lists: Lists, wanted: Filter, after: int | None, before: int | None
) -> tuple[list[Entry], tuple[bool, bool]]:
    """A page of the list, or the first page if there is nothing at this place; and whether there are problems before
    and after it.
    """
    entries = lists.page(wanted, after, before, PAGE + 1)
    if not entries and (after is not None or before is not None):
        return _page_of(lists, wanted, None, None)
    if before is not None:
        return entries[-PAGE:], (len(entries) > PAGE, True)
    return entries[:PAGE], (after is not None, len(entries) > PAGE)


async def _fields(request: Request) -> dict[str, str] | None:
    """The fields of a form; None if it is too long. Raises ClientDisconnect."""
    body, length = bytearray(), 0
    async for part in request.stream():  # to the end, or a browser would show an error instead of our response
        length += len(part)
        if length <= _LONGEST_BODY:
            body += part
        elif length > _MOST_IGNORED:
            return None
    if length > _LONGEST_BODY:
        return None
    try:
        pairs = parse_qsl(body.decode(errors="replace"), errors="replace", max_num_fields=50)
    except ValueError:  # more fields than any form of ours has
        return None
    return dict(pairs)


def _is_busy(error: sqlite3.DatabaseError) -> bool:
    """Whether the index is in use or the disk is full, rather than the index damaged."""
    name = getattr(error, "sqlite_errorname", "")
    return name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_INTERRUPT", "SQLITE_NOMEM"))


async def _not_found(request: Request, error: Exception) -> Response:
    return HTMLResponse(message_html("There is no such page."), 404)


def _file(text: str, kind: str) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        return Response(text, media_type=kind)

    return answer


def _note(fields: Mapping[str, str]) -> str:
    return fields.get("note", "").replace("\r\n", "\n").strip()


def _name(text: str) -> str:
    return " ".join(printable(text).split())[:_LONGEST_NAME]


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 16 else None
