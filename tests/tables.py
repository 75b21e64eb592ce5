"""The tables of hard cases in tests/cases, which anyone may extend: one JSON object a line, each with an `id`."""

import json
from pathlib import Path
from typing import Any

import pytest


def table(name: str) -> list[dict[str, Any]]:
    """The rows of tests/cases/NAME.jsonl."""
    lines = (Path(__file__).parent / "cases" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def cases(name: str) -> list[Any]:
    """The same as parameters of a test, called by their `id`."""
    return [pytest.param(row, id=row.get("id", repr(row.get("word"))[:40])) for row in table(name)]
