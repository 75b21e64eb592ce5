"""Logs of a training as lines of JSON: added as it goes, read after any stop.

What a kill left unfinished at the end is no line. What the lines mean is left to those who write and read them.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def append(log: Path, values: dict[str, Any]) -> str:
    """Add a line, in the place of an unfinished one; the line."""
    line = json.dumps(values)
    if log.exists():
        os.truncate(log, sum(map(len, _whole_lines(log))))
    with log.open("a", encoding="utf-8") as file:
        print(line, file=file)
    return line


def read(log: Path) -> list[dict[str, Any]]:
    """The lines of a log, without an unfinished last one. Raises ValueError for any other that is not JSON."""
    return [json.loads(line) for line in _whole_lines(log)]


def _whole_lines(log: Path) -> list[bytes]:
    return [line for line in log.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
