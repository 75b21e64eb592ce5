"""That a stage was given up, because nothing that came back could be used: a file in the folder of its journal.

It holds what was said then, and the calls that were under way, so that the same command can tell that nothing has
changed. Another version of the package may read the same replies otherwise, and takes no notice. What else has changed
is for the reader to see.
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
    """What was said when a stage was given up, and the calls that were under way and are not in the journal."""

    words: str
    calls: frozenset[str]


def give_up(journal: Path, words: str, calls: Iterable[str]) -> None:
    """Remember it. Raises StorageError."""
    write_document(journal / _NAME, {"version": __version__, "words": words, "calls": sorted(calls)})


def given_up(journal: Path) -> GivenUp | None:
    """What this version remembers; a file that is damaged is none, which costs some calls and nothing else."""
    found = read_document(journal / _NAME, old=False)
    if found is None or found.get("version") != __version__:
        return None
    try:
        return GivenUp(str(found["words"]), frozenset(map(str, found["calls"])))
    except (KeyError, TypeError):
        return None


def take_back(journal: Path) -> None:
    """Forget it. Raises StorageError."""
    with storing(journal / _NAME):
        (journal / _NAME).unlink(missing_ok=True)
