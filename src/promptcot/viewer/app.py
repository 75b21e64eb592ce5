"""The pages of the viewer: a list with search and filters, a problem with its history, decisions and notes.

Everything works by links and forms; `view.js` adds keys. Who may ask is decided in `guard`.
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
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from promptcot.errors import PromptCoTError
from promptcot.pages.formulas import Formulas
from promptcot.pages.templates import stylesheet
from promptcot.printable import printable
from promptcot.viewer.guard import Guard
from promptcot.viewer.pages import list_html, message_html, own, problem_page_html
from promptcot.viewer.queries import PAGE, Entry, Filter, Lists
from promptcot.viewer.shelf import Shelf

_LONGEST_BODY = 100_000
_LONGEST_NAME = 80
_YEAR = 365 * 24 * 3600
_DECISIONS: Mapping[str, Any] = {"accept": "accept", "reject": "reject"}
_STATES = {
    "being written": "This run is being written. Lists are renewed every few seconds.",
    "interrupted": "This run was interrupted. What it wrote until then is shown.",
    "incomplete": "Some files of this run are gone. What the others say is shown.",
}


class Refused(PromptCoTError):
    """A request that cannot be answered, with the `status` of its answer."""

    def __init__(self, words: str, status: int) -> None:
        super().__init__(words)
        self.status = status


@dataclass
class Viewer:
    """The application over one run. `reviewer` is who reviews until another name is given."""

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
            fields = await _fields(request)
            if fields is None:
                return HTMLResponse(message_html("This is longer than a note may be; it was not written down."), 413)
            if not self.guard.is_csrf(request, fields.get("csrf", "")):
                return HTMLResponse(message_html("This form is from an earlier session; open the page again."), 403)
            return await run_in_threadpool(self._answered, lambda: act(request, fields))

        return answer

    def _answered(self, make: Callable[[], Response]) -> Response:
        """The answer; a damaged index is built again, once."""
        try:
            try:
                return make()
            except sqlite3.DatabaseError as error:
                if _is_busy(error):
                    raise
                self.shelf.rebuild()
                return make()
        except Refused as error:
            return HTMLResponse(message_html(str(error)), error.status)
        except (PromptCoTError, sqlite3.DatabaseError) as error:
            return HTMLResponse(message_html(f"This cannot be shown now: {error}"), 500)

    def _list(self, request: Request) -> str:
        self.shelf.look_again()
        wanted = Filter.of(request.query_params)
        with self.shelf.reading() as lists:
            place = {name: _whole(request.query_params.get(name)) for name in ("after", "before")}
            entries, has_more = _page_of(lists, wanted, place["after"], place["before"])
            numbers = [one.number for one in entries]
            return list_html(
                **self._common(request, wanted),
                lists=lists,
                entries=entries,
                place=place,
                has_more=has_more,
                reviews=self.shelf.reviews(numbers),
                reviewers=self.shelf.reviewers(),
                formulas=Formulas(),
            )

    def _problem(self, request: Request) -> str:
        self.shelf.look_again()
        wanted, row_id = Filter.of(request.query_params), request.query_params.get("id", "")
        with self.shelf.reading() as lists:
            number = lists.number_of(row_id)
            if number is None:
                raise Refused("No problem of this run has this id.", 404)
            before, after = lists.page(wanted, before=number, most=1), lists.page(wanted, after=number, most=1)
            return problem_page_html(
                **self._common(request, wanted),
                history=self.shelf.history(number, row_id),
                before=before[0].id if before else None,
                after=after[0].id if after else None,
                said=self.shelf.said_of(row_id),
                formulas=Formulas(),
            )

    def _common(self, request: Request, wanted: Filter) -> dict[str, Any]:
        """What every page has."""
        notices = [words for words in (_STATES.get(self.shelf.files.state), self.shelf.trouble) if words]
        named = request.cookies.get(self.guard.name_cookie)
        return {
            "run": self.shelf.directory.resolve().name,
            "notices": notices,
            "wanted": wanted,
            "reviewer": _name(unquote(named)) if named else self.reviewer,
            "is_named": bool(named),
            "csrf": self.guard.csrf(request),
        }

    def _decide(self, request: Request, fields: Mapping[str, str]) -> Response:
        row_id, note = unquote(fields.get("id", "")), fields.get("note", "").replace("\r\n", "\n").strip()
        decision = _DECISIONS.get(fields.get("decision", ""))
        with self.shelf.reading() as lists:
            if lists.number_of(row_id) is None:
                raise Refused("No problem of this run has this id.", 404)
        if decision is None and not note:
            raise Refused("A note needs some words, or a decision.", 400)
        reviewer = self._common(request, Filter())["reviewer"]
        self.shelf.decide(row_id, decision, note or None, reviewer)
        wanted = Filter.of(dict(parse_qsl(fields.get("filter", ""))))
        if fields.get("to") == "list":
            place = {name: _whole(fields.get(name)) for name in ("after", "before")}
            return RedirectResponse(f"/?{wanted.address(**place)}", 303)
        return RedirectResponse(f"/problem?{wanted.address(id=row_id)}", 303)

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
    """A page of the list, the first where there is none at this place; and whether there are problems on both sides."""
    found = lists.page(wanted, after, before, PAGE + 1)
    if not found and (after is not None or before is not None):
        return _page_of(lists, wanted, None, None)
    if before is not None:
        return found[-PAGE:], (len(found) > PAGE, True)
    return found[:PAGE], (after is not None, len(found) > PAGE)


async def _fields(request: Request) -> dict[str, str] | None:
    """The fields of a form; None for one that is too long."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LONGEST_BODY:
            return None
    try:
        pairs = parse_qsl(body.decode(errors="replace"), errors="replace", max_num_fields=50)
    except ValueError:  # more fields than any form of ours has
        return None
    return dict(pairs)


def _is_busy(error: sqlite3.DatabaseError) -> bool:
    """Whether the index is in use, or has no space, rather than damaged."""
    name = getattr(error, "sqlite_errorname", "")
    return name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_INTERRUPT", "SQLITE_NOMEM"))


async def _not_found(request: Request, error: Exception) -> Response:
    return HTMLResponse(message_html("There is no such page."), 404)


def _file(text: str, kind: str) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        return Response(text, media_type=kind)

    return answer


def _name(text: str) -> str:
    return " ".join(printable(text).split())[:_LONGEST_NAME]


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 16 else None
