"""Stages and steps, called: whatever they raise or return that they should not is one error that names them.

Errors of the tree (a row that lacks a field) pass as they are. Everything else is a mistake in the stage itself, which
asking on would only repeat: it stops the run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from promptcot.errors import PromptCoTError, StageFault
from promptcot.records import Completion, Drop, Request, Retry, Row
from promptcot.stages.protocol import Stage, Step

T = TypeVar("T")


def ask(stage: Stage, row: Row) -> Sequence[Request]:
    """What the stage asks about a row; nothing at all is allowed. Raises StageFault."""
    found = _call(stage.name, "ask", row, lambda: stage.ask(row))
    if not _is_sequence_of(Request, found):
        raise StageFault(stage.name, "ask", row, f"it gave {_shown(found)}; it gives a sequence of promptcot.Request")
    return found


def read(stage: Stage, row: Row, replies: Sequence[Completion]) -> Sequence[Row] | Retry | Drop:
    """What the stage makes of the replies. Raises StageFault."""
    found = _call(stage.name, "read", row, lambda: stage.read(row, replies))
    if isinstance(found, (Drop, Retry)) or _is_sequence_of(dict, found):
        return found
    raise StageFault(stage.name, "read", row, f"it gave {_shown(found)}; it gives rows (dicts), a Retry or a Drop")


def apply(step: Step, row: Row) -> Sequence[Row] | Drop:
    """What the step makes of a row. Raises StageFault."""
    found = _call(step.name, "apply", row, lambda: step.apply(row))
    if isinstance(found, Drop) or _is_sequence_of(dict, found):
        return found
    raise StageFault(step.name, "apply", row, f"it gave {_shown(found)}; it gives rows (dicts) or a Drop")


def _call(name: str, function: str, row: Row, call: Callable[[], T]) -> T:
    try:
        return call()
    except PromptCoTError:
        raise
    except Exception as error:
        raise StageFault(name, function, row, f"it raised {type(error).__name__}: {error}") from error


def _is_sequence_of(kind: type, found: Any) -> bool:
    return isinstance(found, (list, tuple)) and all(isinstance(one, kind) for one in found)


def _shown(found: Any) -> str:
    inner = f" of {type(found[0]).__name__}" if isinstance(found, (list, tuple)) and found else ""
    return f"{type(found).__name__}{inner}"
