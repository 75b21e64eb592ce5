"""What `view` prints: where the page is, how far the index is, and what was exported."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from promptcot.core.units import size
from promptcot.viewer.index import FOLDER, Hooks
from promptcot.viewer.shelf import Shelf
from promptcot.viewer.static_pages import Exported

if TYPE_CHECKING:  # it needs an extra, which the other lines do without
    from promptcot.viewer.guard import Guard

_EVERY = 5.0


def hooks(say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> Hooks:
    """Says how far an index is, every few seconds: nothing is said of one that takes no time."""
    last = clock()

    def now_and_then(line: str) -> None:
        nonlocal last
        if clock() - last >= _EVERY:
            last = clock()
            say(line)

    return Hooks(
        read=lambda done, of: now_and_then(f"index: {size(done)} of {size(of)} read"),
        indexed=lambda done, of: now_and_then(f"index: {done:,} of {of:,} problems"),
        waiting=lambda: say("index: another process is building it; waiting for it"),
        rebuilt=lambda: say("index: it is damaged, and is built again"),
    )


def opened_lines(shelf: Shelf) -> Iterator[str]:
    """What is said before the address."""
    with shelf.reading() as lists:
        yield f"{shelf.directory}: {lists.total():,} problems ({shelf.files.state})"
    if shelf.index.folder != shelf.directory / FOLDER:
        yield f"index: in {shelf.index.folder}, since the directory of the run cannot be written"


def address_lines(guard: Guard, is_local: bool) -> Iterator[str]:
    """The address, and who may open it."""
    if not is_local:
        yield f"warning: {guard.host} can be reached from other machines, and what is sent there is not encrypted"
    yield f"open {guard.address()}"
    yield "Ctrl-C ends it; ? shows the keys"


def exported_lines(done: Exported) -> Iterator[str]:
    """What was written."""
    yield f"{done.pages:,} of {done.of:,} problems of the set have a page" + (
        "; --limit sets how many" if done.pages < done.of else ""
    )
    yield f"written: {done.index}"
