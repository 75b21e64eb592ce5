"""`reviews.jsonl`: reviewers' decisions about the problems of a run, next to its files or next to a file of rows.

Each decision or note is one line. Lines are appended under a lock, so several reviewers can work at once. If there are
several decisions about a problem, the last line counts. If the last line of the file is incomplete, it is ended with a
line break before the next line is written. Lines that are not reviews are skipped and counted. `stages.review` decides
the effect of a rejection.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from promptcot.errors import StorageError
from promptcot.storage.atomic import make_parent, sync
from promptcot.storage.json import dumps, loads
from promptcot.storage.paths import url_of

REVIEWS = "reviews.jsonl"
LONGEST_NOTE = 10_000
"""A longer note is cut to this many characters."""

Decision = Literal["accept", "reject"]
_DECISIONS: tuple[Decision, ...] = ("accept", "reject")


@dataclass(frozen=True, slots=True)
class Review:
    """One line: a decision about the problem `id`, a note, or both. `at` is the time in UTC (ISO 8601)."""

    id: str
    decision: Decision | None
    note: str | None
    reviewer: str
    at: str


@dataclass(frozen=True)
class Reviews:
    """All reviews of a file in order, and the number of `damaged` lines, which were skipped."""

    lines: Sequence[Review]
    damaged: int = 0

    @property
    def latest(self) -> dict[str, Review]:
        """The latest decision about each problem, with its reviewer and time, and the latest note.

        If a problem has notes only, reviewer and time are those of the latest note.
        """
        latest: dict[str, Review] = {}
        for review in self.lines:
            before = latest.get(review.id, review)
            deciding = review if review.decision or not before.decision else before
            latest[review.id] = replace(deciding, note=review.note or before.note)
        return latest

    @property
    def rejected(self) -> frozenset[str]:
        """The ids of the problems whose latest decision is to reject them."""
        return frozenset(row_id for row_id, review in self.latest.items() if review.decision == "reject")


def append(directory: Path, review: Review) -> None:
    """Append a line to the reviews in this directory, which must exist. Raises StorageError."""
    note = None if review.note is None else review.note[:LONGEST_NOTE]
    _append(directory / REVIEWS, [dumps(asdict(replace(review, note=note)))])


def read(directory: Path) -> Mapping[str, Review]:
    """The latest decision and note about each problem that was reviewed in this directory. Raises StorageError."""
    return reviews_in(directory).latest


def reviews_in(directory: Path) -> Reviews:
    """All reviews in this directory; none at a remote address. Raises StorageError if the file cannot be read."""
    if url_of(directory) is not None:
        return Reviews([])
    reviews: list[Review] = []
    damaged = 0
    for line in _lines(directory / REVIEWS):
        review = _review(line)
        if review is None:
            damaged += 1
        else:
            reviews.append(review)
    return Reviews(reviews, damaged)


def rejected_beside(paths: Iterable[Path]) -> frozenset[str]:
    """The ids that are rejected by the reviews in these directories or next to these files. Raises StorageError."""
    return frozenset().union(*(reviews_in(folder).rejected for folder in _folders(paths)))


def damaged_beside(paths: Iterable[Path]) -> Iterator[str]:
    """A line for each of these directories whose reviews have damaged lines. Raises StorageError."""
    for folder in _folders(paths):
        if damaged := reviews_in(folder).damaged:
            lines = "1 line is" if damaged == 1 else f"{damaged:,} lines are"
            yield f"reviews: {lines} damaged in {folder / REVIEWS} and skipped; a rejection may be missing"


def _folders(paths: Iterable[Path]) -> list[Path]:
    local = (path for path in paths if url_of(path) is None)
    return [*dict.fromkeys(path if path.is_dir() else path.parent for path in local)]


def join(target: Path, sources: Sequence[Path]) -> int:
    """Append the reviews of other directories that `target` does not have, in the order of their times.

    For each problem, the decision with the latest time counts afterwards. If that is one of the target's own, its line
    is repeated after the older ones. Returns the number of damaged lines in the sources. Raises StorageError.
    """
    ours = reviews_in(target)
    theirs = [reviews_in(source) for source in sources]
    missing = sorted(_missing(ours.lines, [reviews.lines for reviews in theirs]), key=_time)
    decided = {review.id: review for review in missing if review.decision}
    newer = [
        review
        for row_id, review in {one.id: one for one in ours.lines if one.decision}.items()
        if row_id in decided and _time(review) > _time(decided[row_id])
    ]
    if missing:
        make_parent(target / REVIEWS)
        _append(target / REVIEWS, [dumps(asdict(review)) for review in (*missing, *newer)])
    return sum(reviews.damaged for reviews in theirs)


def _missing(ours: Sequence[Review], theirs: Sequence[Sequence[Review]]) -> Iterator[Review]:
    """The lines of the sources that we do not have. A line that a source has twice is needed twice."""
    known = Counter(ours)
    for lines in theirs:
        seen: Counter[Review] = Counter()
        for review in lines:
            seen[review] += 1
            if seen[review] > known[review]:
                known[review] += 1
                yield review


def _time(review: Review) -> datetime:
    """The time of a review; the earliest possible one if it cannot be read."""
    try:
        time = datetime.fromisoformat(review.at)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return datetime.min.replace(tzinfo=UTC)


def _append(path: Path, lines: Sequence[bytes]) -> None:
    try:
        with _locked(path) as handle:
            size = os.fstat(handle).st_size
            is_torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
            content = memoryview((b"\n" if is_torn else b"") + b"".join(lines))
            while content:
                content = content[os.write(handle, content) :]
            os.fsync(handle)
        if size == 0:  # the file may be new
            sync(path.parent)
    except OSError as error:
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        remedy = "free some space" if is_full else "check the permissions of the directory and the disk"
        raise StorageError(
            f"{path}: the review cannot be stored ({error.strerror}); {remedy}, and repeat it"
        ) from error


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """The file, open for appending. Other processes that append wait until the block ends."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)


def _lines(path: Path) -> Iterator[bytes]:
    try:
        if path.exists() and not path.is_file():  # reading a named pipe would never end
            raise OSError(errno.EINVAL, "it is not a regular file")
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise StorageError(
            f"{path}: the reviews cannot be read ({error.strerror}); make the file readable, or move it away"
        ) from error
    yield from (line for line in content.split(b"\n") if line.strip())


def _review(line: bytes) -> Review | None:
    """The review on this line; None if it is not a review."""
    try:
        fields = loads(line)
    except ValueError:
        return None
    if not isinstance(fields, dict) or not isinstance(fields.get("id"), str):
        return None
    decision, note = fields.get("decision"), fields.get("note")
    if decision not in (None, *_DECISIONS) or not isinstance(note, (str, type(None))):
        return None
    if decision is None and note is None:
        return None
    return Review(fields["id"], decision, note, _text(fields.get("reviewer")), _text(fields.get("at")))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
