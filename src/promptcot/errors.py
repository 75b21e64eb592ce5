"""Everything that can go wrong, in one tree, and what each kind means for a run.

    PromptCoTError
    ├── UsageError            the command line is wrong                                  exit 2
    ├── InputError            a file or value the user gave is wrong                     exit 1
    │   ├── RecipeError       a recipe has mistakes; all of them are listed              exit 1
    │   ├── UnfitRow          a row lacks what it is asked about                         a failed row; the first: exit 1
    │   └── RefusedGold       a gold by which no answer could be right                   its rows are left out
    ├── StageFault            a stage or step raised, or returned what it may not        that row; of many rows: exit 1
    ├── LockedError           somebody else is writing this output                       exit 1
    ├── StorageError          the disk is full or the file system refuses                exit 1
    ├── SystematicFailure     nearly everything fails or is empty, so going on is waste  exit 1
    └── EngineError
        ├── TransientError    asking again may work (reset, timeout, 429, 5xx)           retried, then a failed row
        ├── RequestRefused    this request can never work (over-long, refused)           a failed row
        └── EngineUnusable    no request can work (wrong key, unknown model)             exit 1

Failures of single rows are rows, not exceptions: a runner turns `TransientError`, `RequestRefused` and `UnfitRow` into
failed rows, `StageFault` into a failed or a dropped one, and lets everything else stop the run. Messages say what is
wrong, where, and the way out. They may quote servers, models and files, so each is freed of secrets and control
characters when the error is made: whoever shows it, logs it or writes it down has nothing more to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from promptcot.printable import presentable


class PromptCoTError(Exception):
    """Base of all errors that promptcot raises on purpose."""

    exit_code = 1

    def __init__(self, *words: object) -> None:
        super().__init__(*(presentable(str(one)) for one in words))


class UsageError(PromptCoTError):
    """Options or arguments that are wrong, or do not go together."""

    exit_code = 2


class InputError(PromptCoTError):
    """A file or a value that the user gave is missing, empty or malformed."""


class UnfitRow(InputError):
    """A row lacks a field that it is asked about, or has no text in it. A first row that does is a wrong file."""


class RefusedGold(InputError):
    """A gold that the verifier refuses, such as one that does not equal itself. Its rows are left out and counted."""


class RecipeError(InputError):
    """A recipe has one or more mistakes; `mistakes` holds one line for each."""

    def __init__(self, where: str, mistakes: Sequence[str]) -> None:
        self.mistakes = tuple(map(presentable, mistakes))
        count = "1 mistake" if len(self.mistakes) == 1 else f"{len(self.mistakes)} mistakes"
        super().__init__("\n".join([f"{where}: {count}", *(f"  - {mistake}" for mistake in self.mistakes)]))
        self._where = where

    def __reduce__(self) -> tuple[type[RecipeError], tuple[str, tuple[str, ...]]]:
        """It may come from another process."""
        return type(self), (self._where, self.mistakes)


class StageFault(PromptCoTError):
    """A stage or step has a mistake of its own: it raised, or returned something that it may not return.

    `what` it did, and the `place` in its source where it raised.
    """

    def __init__(self, stage: str, function: str, row: Mapping[str, Any], what: str, place: str = "") -> None:
        self.stage, self.function, self.row, self.what, self.place = stage, function, row, what, place
        where = f" for row {row.get('id')}" if row else ""
        super().__init__(f"{stage}: `{function}` failed{where}: {what}{f' ({place})' if place else ''}")

    @property
    def reason(self) -> str:
        """The exception, or what was returned: what such rows are counted under."""
        return self.what.removeprefix("raised ")

    def __reduce__(self) -> tuple[type[StageFault], tuple[str, str, Mapping[str, Any], str, str]]:
        """It may come from another process."""
        return type(self), (self.stage, self.function, self.row, self.what, self.place)


class LockedError(PromptCoTError):
    """Another process, or another thread, is writing the same output."""


class StorageError(PromptCoTError):
    """The file system refused to store something; what was stored before is intact."""


class SystematicFailure(PromptCoTError):
    """So many rows failed, or came back empty, that going on would only waste work."""


class EngineError(PromptCoTError):
    """A model could not be asked. `cause` is a short, stable word under which failures are counted."""

    def __init__(self, message: str, cause: str = "engine") -> None:
        self.cause = presentable(cause)
        super().__init__(message)


LIMITED = "http 429"
"""The cause of a call that a server turned away because too many came."""


class TransientError(EngineError):
    """Asking again may work. `retry_after` is what the server asked for, in seconds, if it did."""

    def __init__(self, message: str, cause: str = "transport", retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message, cause)


class RequestRefused(EngineError):
    """This one request can never be answered: it is too long, malformed, or its content is refused."""


class EngineUnusable(EngineError):
    """No request at all can be answered: wrong key, unknown model, wrong address, missing weights."""
