"""Stages and steps, called: whatever they raise or return that they should not is one error that names them.

Errors of the tree (a row that lacks a field) pass as they are. Everything else is a mistake in the stage itself, which
asking on would only repeat: it stops the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from promptcot.errors import PromptCoTError, StageFault
from promptcot.records import Completion, Drop, Request, Retry, Row
from promptcot.stages.protocol import Stage, Step


def ask(stage: Stage, row: Row) -> Sequence[Request]:
    """What the stage asks about a row; nothing at all is allowed. Raises StageFault."""
    try:
        found = stage.ask(row)
    except PromptCoTError:
        raise
    except Exception as error:
        raise _raised(stage.name, "ask", row, error) from error
    if _are(Request, found):
        return found
    raise StageFault(stage.name, "ask", row, f"it gave {_shown(found)}; it gives a sequence of promptcot.Request")


def read(stage: Stage, row: Row, replies: Sequence[Completion]) -> Sequence[Row] | Retry | Drop:
    """What the stage makes of the replies. Raises StageFault."""
    try:
        found = stage.read(row, replies)
    except PromptCoTError:
        raise
    except Exception as error:
        raise _raised(stage.name, "read", row, error) from error
    if _are(dict, found) or isinstance(found, (Drop, Retry)):
        return found
    raise StageFault(stage.name, "read", row, f"it gave {_shown(found)}; it gives rows (dicts), a Retry or a Drop")


def apply(step: Step, row: Row) -> Sequence[Row] | Drop:
    """What the step makes of a row. Raises StageFault."""
    try:
        found = step.apply(row)
    except PromptCoTError:
        raise
    except Exception as error:
        raise _raised(step.name, "apply", row, error) from error
    if _are(dict, found) or isinstance(found, Drop):
        return found
    raise StageFault(step.name, "apply", row, f"it gave {_shown(found)}; it gives rows (dicts) or a Drop")


def _raised(name: str, function: str, row: Row, error: Exception) -> StageFault:
    return StageFault(name, function, row, f"it raised {type(error).__name__}: {error}")


def _are(kind: type, found: Any) -> bool:
    """Whether these are a sequence of that kind."""
    if not isinstance(found, (list, tuple)):
        return False
    return isinstance(found[0], kind) if len(found) == 1 else all(isinstance(one, kind) for one in found)


def _shown(found: Any) -> str:
    inner = f" of {type(found[0]).__name__}" if isinstance(found, (list, tuple)) and found else ""
    return f"{type(found).__name__}{inner}"
