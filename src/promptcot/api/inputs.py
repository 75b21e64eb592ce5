"""Converts the rows that a user passes into a file of rows: a path, mappings, a DataFrame or a `datasets.Dataset`.

Decides what a row may be, and drops a field whose value is missing in a DataFrame. Imports no library for this.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

from promptcot.errors import InputError
from promptcot.records import Row
from promptcot.storage.json import dumps
from promptcot.storage.writer import RowWriter

Rows: TypeAlias = "str | Path | Iterable[Mapping[str, Any]] | Any"
"""A path, an iterable of mappings, a `datasets.Dataset`, or a DataFrame of pandas or polars."""


def as_file(rows: Rows, folder: Path, name: str = "rows", *, may_be_empty: bool = False) -> Path:
    """The path of the rows: the given path, or a new file in `folder` with the rows. Raises InputError."""
    if isinstance(rows, (str, Path)):
        return Path(rows)
    rows = getattr(rows, "rows", rows)  # of a result
    writer = RowWriter(folder / f"{name}.input.jsonl", nan="NaN")
    try:
        number = 0
        for number, row in enumerate(_mappings(rows), 1):
            writer.write(_checked(row, number))
        if not number and not may_be_empty:
            raise InputError("rows: there are none")
        writer.commit()
    finally:
        writer.discard()
    return writer.path


def shown(rows: Rows) -> str:
    """The source of rows, as recorded in manifests."""
    return str(rows) if isinstance(rows, (str, Path)) else f"({type(rows).__name__} in memory)"


def _mappings(rows: Any) -> Iterator[Any]:
    if hasattr(rows, "iter_rows") and hasattr(rows, "columns"):  # polars
        return (_present(row) for row in rows.iter_rows(named=True))
    if hasattr(rows, "to_dict") and hasattr(rows, "columns"):  # pandas
        if not rows.columns.is_unique:
            raise InputError("rows: the DataFrame has two columns with the same name")
        return (_present(dict(zip(rows.columns, row, strict=True))) for row in rows.itertuples(index=False, name=None))
    if isinstance(rows, Mapping) or not isinstance(rows, Iterable):
        raise InputError(f"rows: a {type(rows).__name__} holds no rows; give a path, or an iterable of mappings")
    return iter(rows)


def _present(row: Mapping[Any, Any]) -> Row:
    """A row of a DataFrame without its missing values."""
    return {str(name): value for name, value in row.items() if not _is_missing(value)}


def _is_missing(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and value != value


def _checked(row: Any, number: int) -> Row:
    if not isinstance(row, Mapping):
        raise InputError(f"row {number}: it is a {type(row).__name__}; a row is a mapping of field names to values")
    found: Row = {}
    for name, value in row.items():
        try:
            found[str(name)] = _plain(value)
            dumps(found[str(name)])
        except (TypeError, ValueError, RecursionError) as error:
            raise InputError(f"row {number}: it cannot be written as JSON (`{name}`: {error})") from error
    return found


def _plain(value: Any) -> Any:
    """Converts numbers and arrays of numpy, tuples, decimals and dates to JSON values. Raises TypeError, ValueError."""
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, Decimal):
        return float(value) if Decimal(repr(float(value))) == value else str(value)
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return value
