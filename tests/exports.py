"""Examples for tests of exports, and their files in the form of an export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from promptcot.exports.examples import Example
from promptcot.exports.formats.format import Format, Schema, Split, Type
from promptcot.records import Message, Row

EXTRA: Schema = {"level": "string", "pass_rate": "number", "n": "integer", "foundational_concepts": ("string",)}
PROBLEM = "What is 2 + 2?"
ASKED = f"{PROBLEM}\n\nPut the answer in \\boxed{{}}."


def example(number: int = 1, **changed: Any) -> Example:
    """An example that has everything that any kind of training takes."""
    given: dict[str, Any] = {
        "id": f"p{number}",
        "prompt": ASKED,
        "messages": (Message("user", ASKED),),
        "problem": PROBLEM,
        "answer": "4",
        "completion": "<think>\nTwo and two.\n</think>\n\nSo it is \\boxed{4}.",
        "chosen": "\\boxed{4}",
        "rejected": "\\boxed{5}",
        "extra": {"level": "AIME", "pass_rate": 0.5, "n": 4, "foundational_concepts": ["sums"]},
    }
    return Example(**{**given, **changed})


def arrow(kind: Type) -> Any:
    """The Arrow type of a column."""
    import pyarrow as pa

    if isinstance(kind, str):
        return {"string": pa.string(), "integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_()}[kind]
    if isinstance(kind, tuple):
        return pa.list_(arrow(kind[0]))
    return pa.struct([(name, arrow(inner)) for name, inner in kind.items()])


def write(format: Format, rows: list[Row], folder: Path, split: Split = "train") -> Path:
    """One file of rows, with exactly the columns and types of the format's schema."""
    path = folder / f"{format.files[split]}{format.suffix}"
    if format.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, arrow(kind)) for name, kind in format.schema(EXTRA).items()])
    pq.write_table(pa.Table.from_pylist(rows, schema), path)
    return path
