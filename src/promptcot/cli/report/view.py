"""The lines of `view`: the address, the progress of the index, and the result of an export."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from promptcot.core.units import counted, size
from promptcot.viewer.index import FOLDER, Hooks
from promptcot.viewer.shelf import Shelf
from promptcot.viewer.static_pages import Exported

if TYPE_CHECKING:  # importing it needs an extra
    from promptcot.viewer.guard import Guard

_EVERY = 5.0


def hooks(say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> Hooks:
    """Prints the progress of an index every few seconds; nothing if it is built at once."""
    last = clock()

    def now_and_then(line: str) -> None:
        nonlocal last
        if clock() - last >= _EVERY:
            last = clock()
            say(line)

    return Hooks(
        read=lambda done, of: now_and_then(f"index: {size(done)} of {size(of)} read"),
        indexed=lambda done, of: now_and_then(f"index: {done:,} of {of:,} problems"),
        waiting=lambda: say("index: waiting for another process that is building it"),
        rebuilt=lambda: say("index: it is damaged and is rebuilt"),
    )


def opened_lines(shelf: Shelf) -> Iterator[str]:
    """The lines before the address."""
    with shelf.reading() as lists:
        yield f"{shelf.directory}: {counted(lists.total(), 'problem')} ({shelf.files.state})"
    if shelf.index.folder != shelf.directory / FOLDER:
        yield f"index: in {shelf.index.folder}, because the run directory is not writable"
    yield from shelf.notices()


def address_lines(guard: Guard, is_local: bool) -> Iterator[str]:
    """The address, and a warning if other machines can reach it."""
    if not is_local:
        yield f"warning: other machines can reach {guard.host or 'this address'}, and the connection is not encrypted"
    yield f"open {guard.address()}"
    yield "Ctrl-C stops the server; the key ? in the page lists its keyboard shortcuts"


def exported_lines(done: Exported) -> Iterator[str]:
    """The number of pages, and their path."""
    yield f"{done.pages:,} of {done.of:,} problems of the set have a page" + (
        "; --limit sets the number" if done.pages < done.of else ""
    )
    yield f"written: {done.index}"
