"""A file in the journal's folder which records that a stage was stopped because no reply could be used.

It holds the message and the calls that were in flight, so that the same command can detect that nothing has changed.
Another version of the package may parse the same replies differently, and ignores the file. The reader detects other
changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from promptcot import __version__
from promptcot.storage.atomic import storing
from promptcot.storage.checked import read_document, write_document

_NAME = "given-up.json"


@dataclass(frozen=True, slots=True)
class GivenUp:
    """The message of a stopped stage, and the calls that were in flight and are not in the journal."""

    words: str
    calls: frozenset[str]


def give_up(journal: Path, words: str, calls: Iterable[str]) -> None:
    """Write the record. Raises StorageError."""
    write_document(journal / _NAME, {"version": __version__, "words": words, "calls": sorted(calls)})


def given_up(journal: Path) -> GivenUp | None:
    """The record, if this version wrote it; a damaged file is ignored, which costs only a few calls."""
    document = read_document(journal / _NAME, old=False)
    if document is None or document.get("version") != __version__:
        return None
    try:
        return GivenUp(str(document["words"]), frozenset(map(str, document["calls"])))
    except (KeyError, TypeError):
        return None


def take_back(journal: Path) -> None:
    """Remove the record. Raises StorageError."""
    with storing(journal / _NAME):
        (journal / _NAME).unlink(missing_ok=True)
