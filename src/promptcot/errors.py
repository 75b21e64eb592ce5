"""The tree of errors, and what each kind means for a run.

    PromptCoTError
    ├── UsageError            the command line is wrong                                  exit 2
    ├── InputError            a file or value the user gave is wrong                     exit 1
    │   ├── RecipeError       a recipe has mistakes; all of them are listed              exit 1
    │   ├── UnfitRow          a row lacks a required field                               a failed row; the first: exit 1
    │   └── RefusedGold       a gold that no answer could match                          its rows are left out
    ├── StageFault            a stage or step raised or returned an invalid value        that row; of many rows: exit 1
    ├── LockedError           another process is writing this output                     exit 1
    ├── StorageError          the disk is full or the file system refuses                exit 1
    ├── SystematicFailure     nearly all replies fail or are empty                       exit 1
    └── EngineError
        ├── TransientError    a retry may succeed (reset, timeout, 429, 5xx)             retried, then a failed row
        ├── RequestRefused    this request can never succeed (too long, refused)         a failed row
        └── EngineUnusable    no request can succeed (wrong key, unknown model)          exit 1

Failures of single rows are rows, not exceptions: a runner turns `TransientError`, `RequestRefused` and `UnfitRow` into
failed rows and `StageFault` into a failed or dropped row. Every other error stops the run. Messages say what is wrong,
where, and how to fix it. They may quote servers, models and files, so secrets and control characters are removed when
the error is created. Callers can print, log or store a message as it is.
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
    """Options or arguments that are wrong or conflict with each other."""

    exit_code = 2


class InputError(PromptCoTError):
    """A file or a value that the user gave is missing, empty or malformed."""


class UnfitRow(InputError):
    """A row lacks a required field, or the field has no text. If this is the first row, the file is the wrong one."""


class RefusedGold(InputError):
    """A gold answer that the verifier refuses, for example one that does not equal itself.

    Its rows are left out and counted.
    """


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
    """The code of a stage or step failed: it raised an exception, or returned an invalid value.

    `what` says what happened, `place` where in the source it was raised.
    """

    def __init__(self, stage: str, function: str, row: Mapping[str, Any], what: str, place: str = "") -> None:
        self.stage, self.function, self.row, self.what, self.place = stage, function, row, what, place
        where = f" for row {row.get('id')}" if row else ""
        super().__init__(f"{stage}: `{function}` failed{where}: {what}{f' ({place})' if place else ''}")

    @property
    def reason(self) -> str:
        """The exception or the returned value. Such rows are counted by it."""
        return self.what.removeprefix("raised ")

    def __reduce__(self) -> tuple[type[StageFault], tuple[str, str, Mapping[str, Any], str, str]]:
        """It may come from another process."""
        return type(self), (self.stage, self.function, self.row, self.what, self.place)


class LockedError(PromptCoTError):
    """Another process, or another thread, is writing the same output."""


class StorageError(PromptCoTError):
    """The file system refused a write. Data written before is intact."""


class SystematicFailure(PromptCoTError):
    """So many rows failed or came back empty that the run was stopped."""


class EngineError(PromptCoTError):
    """A call to a model failed. `cause` is a short, stable word by which failures are counted."""

    def __init__(self, message: str, cause: str = "engine") -> None:
        self.cause = presentable(cause)
        super().__init__(message)


LIMITED = "http 429"
"""The cause of a call that the server rejected because of its rate limit."""


class TransientError(EngineError):
    """A retry may succeed. `retry_after` is the delay that the server asked for, in seconds, if it did."""

    def __init__(self, message: str, cause: str = "transport", retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message, cause)


class RequestRefused(EngineError):
    """This request can never succeed: it is too long or malformed, or its content is refused."""


class EngineUnusable(EngineError):
    """No request can succeed: wrong key, unknown model, wrong address, missing weights."""
