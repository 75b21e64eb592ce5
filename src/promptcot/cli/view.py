"""`promptcot view`: a local web page to search, read and review the problems of a run."""

from __future__ import annotations

import getpass
import ipaddress
import os
import sys
import threading
import webbrowser
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from promptcot.cli.help import verb
from promptcot.cli.parameters import COUNT, NEW_FOLDER, RUN_FOLDER
from promptcot.cli.report.console import complain, say, say_all
from promptcot.cli.report.result import RESULT
from promptcot.cli.report.view import address_lines, exported_lines, hooks, opened_lines
from promptcot.errors import InputError
from promptcot.pipeline.synchronous import wait_for
from promptcot.viewer.shelf import Shelf
from promptcot.viewer.static_pages import export_static

if TYPE_CHECKING:
    from promptcot.viewer.guard import Guard


@verb(
    "view",
    example="promptcot view out/nano",
    groups={"Server": ("host", "port", "browse", "reviewer"), "Static pages": ("export_static", "limit")},
)
@click.argument("run", metavar="RUN", type=RUN_FOLDER)
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    metavar="N",
    help="Port to listen on.  [default: a free one]",
)
@click.option("--open/--no-open", "browse", default=None, help="Open a browser.  [default: if there is a display]")
@click.option("--reviewer", metavar="NAME", help="Name of the reviewer; the page can change it.  [default: $USER]")
@click.option(
    "--export-static", type=NEW_FOLDER, metavar="DIR", help="Write static pages for sharing into DIR; start no server."
)
@click.option(
    "--limit",
    type=COUNT,
    default=1000,
    show_default=True,
    metavar="N",
    help="Maximum number of problems that --export-static writes.",
)
def command(
    run: Path,
    host: str,
    port: int,
    browse: bool | None,
    reviewer: str | None,
    export_static: Path | None,
    limit: int,
) -> int:
    """Serve a local web page to search, read and review the problems of RUN, a run directory.

    The page has search, filters, and the complete history of each problem. You can accept or reject a problem with a
    key. Decisions are stored in RUN/reviews.jsonl; `run`, `select` and `export` leave out rejected problems. The page
    opens only with the printed address. Ctrl-C stops the server.
    """
    if export_static is not None:
        if export_static.suffix == ".jsonl":
            raise InputError(f"{export_static}: --export-static writes a directory; give a name without .jsonl")
        return _export(run, export_static, limit)
    _check_extra()
    shelf = Shelf(run, hooks(say))
    try:
        say_all(opened_lines(shelf))
        with suppress(KeyboardInterrupt):
            _serve(shelf, host, port, reviewer or _user(), _is_wanted(browse))
    finally:
        shelf.close()
    return 0


def _export(run: Path, directory: Path, limit: int) -> int:
    shelf = Shelf(run, hooks(say))
    try:
        say_all(exported_lines(export_static(shelf, directory, limit)))
    finally:
        shelf.close()
    return 0


def _serve(shelf: Shelf, host: str, port: int, reviewer: str, browse: bool) -> None:
    from promptcot.viewer.serving import serve

    def ready(guard: Guard) -> None:
        RESULT.add(url=guard.address())
        RESULT.emit(None)  # as for every server, when it listens
        lines = address_lines(guard, _is_local(host))
        for line in lines:
            complain(line) if line.startswith("warning") else say(line)
        if browse:
            threading.Thread(target=webbrowser.open, args=(guard.address(),), daemon=True).start()

    wait_for(serve(shelf, host, port, reviewer, ready))


def _check_extra() -> None:
    missing = [name for name in ("starlette", "uvicorn") if find_spec(name) is None]
    if missing:
        raise InputError(f"view needs {' and '.join(missing)}: pip install 'promptcot[view]'")


def _is_wanted(browse: bool | None) -> bool:
    """Whether to open a browser; by default, if there is a display."""
    if browse is not None:
        return browse
    has_display = sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return has_display and sys.stdout.isatty()


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # neither the variable nor the user exists
        return "reviewer"
