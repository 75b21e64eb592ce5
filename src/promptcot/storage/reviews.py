"""`reviews.jsonl`: what people decided about the problems of a run, beside its files, or beside a file of rows.

One line for each decision or note, appended under a lock, so that several reviewers work at once. Of the decisions
about one problem the latest line counts. A line that was torn is closed with a line break before the next one is
written; lines that are no review are skipped and counted. What a rejection does is decided in `stages.review`.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from promptcot.errors import StorageError
from promptcot.storage.atomic import storing
from promptcot.storage.json import dumps, loads
from promptcot.storage.paths import url_of

REVIEWS = "reviews.jsonl"
LONGEST_NOTE = 10_000
"""Characters of a note that are kept."""

Decision = Literal["accept", "reject"]
_DECISIONS: tuple[Decision, ...] = ("accept", "reject")


@dataclass(frozen=True, slots=True)
class Review:
    """What one reviewer says of the problem `id`: a decision, a note, or both; `at` is the time in UTC, ISO 8601."""

    id: str
    decision: Decision | None
    note: str | None
    reviewer: str
    at: str


@dataclass(frozen=True)
class Reviews:
    """All lines of a file in order, and how many were `damaged`."""

    lines: Sequence[Review]
    damaged: int = 0

    @property
    def latest(self) -> dict[str, Review]:
        """What holds for each problem: the latest decision and the latest note, with who said so and when."""
        found: dict[str, Review] = {}
        for one in self.lines:
            before = found.get(one.id)
            if before is not None:
                one = replace(one, decision=one.decision or before.decision, note=one.note or before.note)
            found[one.id] = one
        return found

    @property
    def rejected(self) -> frozenset[str]:
        """The ids of the problems whose latest decision is to reject them."""
        return frozenset(name for name, one in self.latest.items() if one.decision == "reject")


def append(directory: Path, review: Review) -> None:
    """Add a line to the reviews in this directory. Raises StorageError."""
    note = None if review.note is None else review.note[:LONGEST_NOTE]
    _append(directory / REVIEWS, [dumps(asdict(replace(review, note=note)))])


def read(directory: Path) -> Mapping[str, Review]:
    """What holds for each problem by the reviews in this directory; nothing where there are none."""
    return reviews_in(directory).latest


def reviews_in(directory: Path) -> Reviews:
    """All reviews in this directory. Raises StorageError where the file is there and cannot be read."""
    if url_of(directory) is not None:
        return Reviews([])
    found: list[Review] = []
    damaged = 0
    for line in _lines(directory / REVIEWS):
        review = _review(line)
        if review is None:
            damaged += 1
        else:
            found.append(review)
    return Reviews(found, damaged)


def rejected_in(directory: Path) -> frozenset[str]:
    """The ids that the reviews in this directory reject. Raises StorageError."""
    return reviews_in(directory).rejected


def join(target: Path, sources: Sequence[Path]) -> None:
    """Add to the reviews of a directory those of others that it does not have, in the order of their times.

    Raises StorageError.
    """
    known = set(reviews_in(target).lines)
    theirs = {one: None for source in sources for one in reviews_in(source).lines if one not in known}
    if theirs:
        _append(target / REVIEWS, [dumps(asdict(one)) for one in sorted(theirs, key=lambda one: one.at)])


def _append(path: Path, lines: Sequence[bytes]) -> None:
    with storing(path), _held(path) as handle:
        size = os.fstat(handle).st_size
        torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
        content = memoryview((b"\n" if torn else b"") + b"".join(lines))
        while content:
            content = content[os.write(handle, content) :]
        os.fsync(handle)


@contextmanager
def _held(path: Path) -> Iterator[int]:
    """The open file, locked: another process that appends waits until this one is done."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)


def _lines(path: Path) -> Iterator[bytes]:
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise StorageError(
            f"{path}: the reviews cannot be read ({error.strerror}); see to it that they can, or move them away"
        ) from error
    yield from (line for line in content.split(b"\n") if line.strip())


def _review(line: bytes) -> Review | None:
    """The review of a line; None for one that is none."""
    try:
        found = loads(line)
    except ValueError:
        return None
    if not isinstance(found, dict) or not isinstance(found.get("id"), str):
        return None
    decision, note = found.get("decision"), found.get("note")
    if decision not in (None, *_DECISIONS) or not isinstance(note, (str, type(None))):
        return None
    if decision is None and note is None:
        return None
    return Review(found["id"], decision, note, _text(found.get("reviewer")), _text(found.get("at")))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
