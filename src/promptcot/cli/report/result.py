"""The object that `--json` prints: the results of a command. Text goes to standard error instead.

The parts of `cli.report` add the values that they print as text. Decides the keys that every object has (docs/json.md)
and which values JSON can carry. `streams` writes the object.
"""

from __future__ import annotations

import dataclasses
import json
import math
import numbers
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from promptcot.cli.report.streams import STREAMS
from promptcot.redaction import redacted
from promptcot.storage.counts import StageCounts
from promptcot.storage.json import loads
from promptcot.storage.paths import beside

SCHEMA = 1
"""The number of the format: it grows when a key is removed or changes its meaning, not when one is added."""
_BESIDE = ("dropped.jsonl", "failed.jsonl", "summary.json", "recipe.json")


class Result:
    """Collects the results of the current command."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Forget an earlier command."""
        self.wanted = self.printed = False
        self._command: str | None = None
        self._parameters: Mapping[str, Any] = {}
        self._values: dict[str, Any] = {}
        self._files: dict[str, None] = {}
        self._warnings: list[str] = []
        self._error: dict[str, Any] | None = None

    def want(self, command: str | None, parameters: Mapping[str, Any] | None = None) -> None:
        """Print an object when the command ends. `parameters` are read then."""
        self.wanted, self._command, self._parameters = True, command, parameters or {}
        STREAMS.divert()

    def add(self, **values: Any) -> None:
        """Add these keys. Mappings of one key are joined, as `stages` of several outputs are."""
        for key, value in values.items():
            before = self._values.get(key)
            joined = isinstance(before, Mapping) and isinstance(value, Mapping)
            self._values[key] = {**before, **value} if joined and before is not None else value

    def append(self, key: str, value: Any) -> None:
        """Add one more value to the list of this key."""
        self._values.setdefault(key, []).append(value)

    def count(self, stage_counts: Iterable[StageCounts]) -> None:
        """Add the counts of stages, as summary files have them."""
        self.add(stages={counts.name: counts.summary() for counts in stage_counts})

    def read(self, path: Path) -> None:
        """Add the content of a JSON file that the command wrote, and name the file; nothing if it does not exist."""
        if self.wanted and path.is_file():
            self.add(**loads(path.read_bytes()))
            self.wrote(path)

    def wrote(self, *paths: Path) -> None:
        """Name files or folders that the command wrote."""
        self._files |= dict.fromkeys(map(str, paths))

    def output(self, output: Path, stage_counts: Iterable[StageCounts]) -> None:
        """Add an output file with its counts, its summary and the files beside it."""
        self.count(stage_counts)
        self.wrote(output)
        self.read(beside(output, "summary.json"))
        self.wrote(*(path for kind in _BESIDE if (path := beside(output, kind)).exists()))

    def warn(self, text: str) -> None:
        """Add a warning, which users should read before using the result."""
        self._warnings.append(text)

    def fail(self, kind: str, message: str) -> None:
        """Set the error that ended the command."""
        self._error = {"kind": kind, "message": message.strip()}

    @property
    def failed(self) -> bool:
        """Whether an error ended the command, and no object was printed yet."""
        return self._error is not None and not self.printed

    def emit(self, code: int | None) -> None:
        """Print the object, if one is wanted and none was printed. `code` is None if the command is still running."""
        if not self.wanted:
            return
        self.wanted, self.printed = False, True
        found: dict[str, Any] = {"schema": SCHEMA, "command": self._command, "exit_code": code}
        if self._error is not None:
            found["error"] = self._error
        if self._parameters.get("dry_run"):
            found["dry_run"] = True
        last = {"files": list(self._files), "warnings": self._warnings}
        # ASCII only: no control characters for a terminal, and the same bytes in every locale
        STREAMS.emit(json.dumps(_plain({**found, **self._values, **found, **last}), allow_nan=False))


def _plain(value: Any) -> Any:
    """The value for JSON: texts without secrets, null for numbers that are not finite."""
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, numbers.Integral):  # of numpy
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value) if math.isfinite(value) else None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {_text(str(key)): _plain(one) for key, one in value.items()}
    if isinstance(value, Iterable):
        return [_plain(one) for one in value]
    return _text(str(value))


def _text(text: str) -> str:
    """The text without secrets. A lone surrogate, which stands for a byte that is not UTF-8, becomes an escape."""
    return redacted(text).encode(errors="backslashreplace").decode()


RESULT = Result()
