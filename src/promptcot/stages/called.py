"""Calls stages and steps, and turns any exception or invalid return value into a StageFault that names them.

If the call is about a row, the fault concerns only that row: `unasked` and `left_out` give its outcome, and
`runners.faults` stops the run when too many rows are lost. Errors of `promptcot.errors` pass unchanged, except that an
UnfitRow from `read` or `apply` becomes a StageFault.
"""

from __future__ import annotations

import traceback
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from promptcot.core.remedies import READER_FAILED, STEP_FAILED, shown
from promptcot.errors import InputError, PromptCoTError, StageFault, StorageError
from promptcot.records import Completion, Drop, Dropped, Failed, Message, Request, Retry, Row, Sampling
from promptcot.stages.protocol import Stage, Step
from promptcot.storage.json import dumps, why_not

_Made = TypeVar("_Made", bound=Sequence[Row] | Retry | Drop)

_A_DROP = "a Drop of texts with a mapping as details"
_UNREAD = ("unreadable", "empty", "truncated", "cut off")


def ask(stage: Stage, row: Row) -> Sequence[Request]:
    """The requests of a stage for a row; there may be none. Raises StageFault."""
    try:
        requests = stage.ask(row)
    except PromptCoTError:
        raise
    except (Exception, SystemExit) as error:
        raise _raised(stage.name, "ask", row, error) from error
    if _are(Request, requests) and all(map(_can_be_asked, requests)):
        return requests
    raise StageFault(
        stage.name,
        "ask",
        row,
        f"returned {_shown(requests)}; expected a list of promptcot.Request, with text and numbers in it",
    )


def read(stage: Stage, row: Row, replies: Sequence[Completion]) -> Sequence[Row] | Retry | Drop:
    """The result of a stage for these replies. Raises StageFault."""
    try:
        result = stage.read(
            {**row}, replies
        )  # a copy, so that changes in place do not affect the row of the step before
    except (Exception, SystemExit) as error:
        if isinstance(error, PromptCoTError) and not isinstance(error, InputError):
            raise
        raise _raised(stage.name, "read", row, error) from error
    if _are(dict, result) or _is_drop(result) or _is_retry(result):
        return _storable(result, stage.name, "read", row)
    raise StageFault(
        stage.name, "read", row, f"returned {_shown(result)}; expected a list of rows, a Retry or {_A_DROP}"
    )


def takes_partial(stage: Stage) -> bool:
    """Whether the stage reads a row if some of its calls failed."""
    return getattr(stage, "partial", False) is True


def fault(stage: Stage, result: Sequence[Row] | Retry | Drop) -> str | None:
    """Why no result of `read` can be used; None if one can. Raises StageFault.

    A row dropped by decision was readable: only a drop that keeps the raw text, or has such a reason, was not. Output
    rows can be used unless the stage says otherwise.
    """
    made = result.otherwise if isinstance(result, Retry) else result
    if isinstance(made, Drop):
        unread = made.raw or isinstance(result, Retry) or made.reason.startswith(_UNREAD)
        return made.reason.removeprefix("unreadable: ") if unread else None
    faults = [unusable(stage, row) for row in made]
    return faults[0] if faults and all(faults) else None


def unusable(stage: Stage, row: Row) -> str | None:
    """Why the next step cannot use an output row; None if it can, or if the stage does not say.

    Raises StageFault.
    """
    tell: Any = getattr(stage, "unusable", None)
    if tell is None:
        return None
    try:
        reason = tell(row)
    except (Exception, SystemExit) as error:
        raise _raised(stage.name, "unusable", row, error) from error
    if reason is not None and not isinstance(reason, str):
        raise StageFault(stage.name, "unusable", row, f"returned {_shown(reason)}; expected a reason, or None")
    return reason


def groups(step: Step) -> bool:
    """Whether the step makes groups of rows that each count as one row."""
    return getattr(step, "groups", False) is True


def apply(step: Step, row: Row) -> Sequence[Row] | Drop | Dropped:
    """The result of a step for a row. Raises StageFault, and StorageError if the step cannot store its data."""
    try:
        result = step.apply({**row})
    except OSError as error:
        if isinstance(error, (TimeoutError, ConnectionError)):  # a service did not answer for this row
            raise _raised(step.name, "apply", row, error) from error
        raise StorageError(f"{step.name}: `apply` failed for row {row.get('id')}: {error}") from error
    except (Exception, SystemExit) as error:
        if isinstance(error, PromptCoTError) and not isinstance(error, InputError):
            raise
        raise _raised(step.name, "apply", row, error) from error
    if isinstance(result, Dropped) and _is_dropped(result):
        _storable([result.row], step.name, "apply", row)
        return result
    if not isinstance(result, Dropped) and (_are(dict, result) or _is_drop(result)):
        return _storable(result, step.name, "apply", row)
    raise StageFault(step.name, "apply", row, f"returned {_shown(result)}; expected a list of rows, or {_A_DROP}")


def finish(step: Step) -> Generator[Row | Dropped | None]:
    """The rows that a step emits after all input, and None while it is still working. Raises StageFault."""
    try:
        for left in step.finish():
            if left is not None and not isinstance(left, dict) and not _is_dropped(left):
                raise StageFault(step.name, "finish", {}, f"gave {_shown(left)}; expected rows, or promptcot.Dropped")
            yield left
    except PromptCoTError:
        raise
    except (Exception, SystemExit) as error:
        raise _raised(step.name, "finish", {}, error) from error


def summary(step: Step) -> Mapping[str, Any]:
    """The step's part of the run's summary; empty if it has no `summary`. Raises StageFault."""
    try:
        result: Any = getattr(step, "summary", dict)()
        dumps(result)
    except (Exception, SystemExit) as error:
        raise _raised(step.name, "summary", {}, error) from error
    if not isinstance(result, Mapping):
        raise StageFault(step.name, "summary", {}, f"returned {_shown(result)}; expected a mapping")
    return result


def close(step: Step) -> None:
    """Release the step's resources, if it has a `close`. Raises StageFault."""
    try:
        getattr(step, "close", lambda: None)()
    except (Exception, SystemExit) as error:
        if isinstance(error, PromptCoTError):
            raise
        raise _raised(step.name, "close", {}, error) from error


def unasked(fault: StageFault) -> Failed:
    """The outcome of a row for which `ask` failed."""
    return Failed("ask failed", str(fault))


def left_out(fault: StageFault, replies: Sequence[Completion] = ()) -> Drop:
    """The drop of a row for which `read` or a step failed. The replies are kept."""
    kind = STEP_FAILED if fault.function == "apply" else READER_FAILED
    ended = replies[0].finish_reason if replies else None
    return Drop(f"{kind}{shown(fault.reason)}", [reply.text for reply in replies], ended)


def _raised(name: str, function: str, row: Row, error: BaseException) -> StageFault:
    return StageFault(name, function, row, f"raised {type(error).__name__}{_said(error)}", _place(error))


def _said(error: BaseException) -> str:
    try:
        return f": {error}" if str(error) else ""
    except Exception:  # a custom exception may fail when it is formatted
        return ""


def _storable(result: _Made, name: str, function: str, row: Row) -> _Made:
    """The result for a row, if it can be written to files. Raises StageFault."""
    made = result.otherwise if isinstance(result, Retry) else result
    why = why_not([made.details] if isinstance(made, Drop) else made)
    if why is None:
        return result
    raise StageFault(name, function, row, f"returned a value that cannot be written as JSON: {why}")


def _place(error: BaseException) -> str:
    """The source line that raised the error."""
    for frame, line in list(traceback.walk_tb(error.__traceback__))[-1:]:
        return f"{Path(frame.f_code.co_filename).name}, line {line}"
    return ""


def _is_drop(value: Any) -> bool:
    if not isinstance(value, Drop) or not isinstance(value.reason, str) or not _are(str, value.raw):
        return False
    if not isinstance(value.details, Mapping):
        return False
    return value.finish_reason is None or isinstance(value.finish_reason, str)


def _is_dropped(value: Any) -> bool:
    return isinstance(value, Dropped) and isinstance(value.row, dict) and _is_drop(value.drop)


def _can_be_asked(request: Request) -> bool:
    """Whether the fields of a request have the right types for a call and its key in the journal."""
    turns = _are(Message, request.messages) and all(isinstance(turn.content, str) for turn in request.messages)
    numbers = (request.seed, request.sample, request.attempt)
    sound = isinstance(request.prompt, str) and isinstance(request.sampling, Sampling)
    return turns and sound and all(isinstance(number, int) for number in numbers)


def _is_retry(value: Any) -> bool:
    return isinstance(value, Retry) and (_are(dict, value.otherwise) or _is_drop(value.otherwise))


def _are(kind: type, values: Any) -> bool:
    """Whether this is a sequence of that type."""
    if not isinstance(values, (list, tuple)):
        return False
    return isinstance(values[0], kind) if len(values) == 1 else all(isinstance(one, kind) for one in values)


def _shown(value: Any) -> str:
    inner = f" of {type(value[0]).__name__}" if isinstance(value, (list, tuple)) and value else ""
    return f"{type(value).__name__}{inner}"
