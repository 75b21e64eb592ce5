"""Brings a repository to the state of a folder: large files first, then everything in one commit.

A repository therefore holds the old state or the new one, never a mixture. The Hub knows files that were uploaded
before an interruption by their hashes, so they are not sent again. After a transient error the upload starts over with
a fresh comparison, which detects a commit whose response was lost.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from promptcot.core.units import counted, size
from promptcot.errors import InputError, TransientError
from promptcot.hub.client import open_client, sending
from promptcot.hub.parcel import Parcel
from promptcot.hub.repository import Change, Digests, compare
from promptcot.runners.retries import Retries

T = TypeVar("T")
Tell = Callable[[str], None]

_MOST_FILES, _MOST_BYTES = 16, 1 << 30
"""Bytes between two progress messages."""


@dataclass
class Upload:
    """The upload of a parcel; `replace` deletes files that others have put into the repository. Creating it sends
    nothing.

    `look` determines the changes, and `send` makes them. `tell` receives messages of both.
    """

    parcel: Parcel
    replace: bool = False
    tell: Tell = print
    retries: Retries = field(default_factory=lambda: Retries(tries=6))
    sleep: Callable[[float], None] = time.sleep
    _client: Any = None
    _may_delete: frozenset[str] | None = None

    def __post_init__(self) -> None:
        self._digests = Digests(self.parcel.folder)

    def look(self) -> Change:
        """The necessary changes in the repository. Raises InputError: no permission, other files, no connection."""
        change = self._patiently(self._compare)
        self._may_delete = frozenset(change.delete)
        return change

    def send(self) -> None:
        """Make the changes. Raises InputError if that is impossible now; uploaded files are kept."""
        self._patiently(self._round)

    def _compare(self) -> Change:
        with _quiet():
            if self._client is None:
                self._client = open_client()
            change = compare(self._client, self.parcel, self._digests, replace=self.replace)
        if self._may_delete is not None and (more := set(change.delete) - self._may_delete):
            raise InputError(f"{self.parcel.name}: {min(more)} was added in the meantime; run the same command again")
        return change

    def _round(self) -> None:
        change, parcel = self._compare(), self.parcel
        with _quiet(), sending(parcel.name):
            if change.is_new:
                self._client.create_repo(parcel.name, repo_type=parcel.kind, private=not parcel.public, exist_ok=True)
                change = self._compare()
        if change.is_new:
            raise TransientError(f"{parcel.name}: it was created but is not visible yet")
        if not change.is_nothing:
            with _quiet(), sending(parcel.name):
                self._upload(change)

    def _upload(self, change: Change) -> None:
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        parcel, done = self.parcel, 0
        files = {name: str(parcel.folder / name) for name in change.upload}
        additions = [CommitOperationAdd(path_in_repo=name, path_or_fileobj=path) for name, path in files.items()]
        for group in _groups(additions, parcel):
            self._client.preupload_lfs_files(parcel.name, additions=group, repo_type=parcel.kind, free_memory=False)
            done += len(group)
            uploaded = sum(parcel.files[one.path_in_repo] for one in additions[:done])
            self.tell(f"uploaded: {done:,} of {counted(len(additions), 'file')}, {size(uploaded)}")
        self._client.create_commit(
            parcel.name,
            operations=[*map(CommitOperationDelete, change.delete), *additions],
            commit_message="Upload with promptcot",
            repo_type=parcel.kind,
            parent_commit=change.head,
        )

    def _patiently(self, work: Callable[[], T]) -> T:
        """The result of the work, with retries. Raises InputError at the end."""
        failures = 0
        while True:
            try:
                return work()
            except TransientError as error:
                failures += 1
                delay = self.retries.delay(failures, error, failures)
                if delay is None:
                    raise InputError(
                        f"{error}. Uploaded files are kept: run the same command again to continue"
                    ) from error
                self.tell(f"{error}; again in {delay:.1f} s")
            self.sleep(delay)


def _groups(additions: Sequence[Any], parcel: Parcel) -> Iterator[list[Any]]:
    """The additions in order, a few files or bytes at a time."""
    group: list[Any] = []
    held = 0
    for one in additions:
        group.append(one)
        held += parcel.files[one.path_in_repo]
        if len(group) == _MOST_FILES or held >= _MOST_BYTES:
            yield group
            group, held = [], 0
    if group:
        yield group


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppresses the client's progress bars, warnings and logs: they contain signed addresses."""
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars, logging

    shown, level = not are_progress_bars_disabled(), logging.get_verbosity()
    disable_progress_bars()
    logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        if shown:
            enable_progress_bars()
