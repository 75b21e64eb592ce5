"""Writes rows to Parquet files and reads them.

Decides the form of values that Parquet cannot hold. A column whose values have no common type (a number and a text, an
integer above 64 bits, an object without fields) is written as text, each value as its JSON. Half a surrogate pair
becomes U+FFFD, and is spelled out in the name of a field. Both are counted, and no row is refused after its calls have
been paid. `parquet_values` handles values that JSON cannot hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from promptcot.errors import InputError
from promptcot.records import Row
from promptcot.storage.json import dumps
from promptcot.storage.parquet import pyarrow
from promptcot.storage.parquet_values import columns_to_change, readable
from promptcot.storage.paths import url_of
from promptcot.storage.sources import open_file, shown

BATCH = 1024
_DEEPEST = 50
"""The most nested lists and objects; Parquet's schema format supports about a hundred."""

_FAULTS = (ValueError, OSError, OverflowError, TypeError, LookupError, MemoryError, RecursionError)
"""Other exceptions that pyarrow raises for damaged files and unsuitable values."""


def read_parquet(source: Path) -> Iterator[Row]:
    """The rows of a file, without the fields that are null. Raises InputError for a damaged file, and for a column that
    cannot be read.
    """
    number, faults = 0, (pyarrow("lib").ArrowException, *_FAULTS)
    try:
        with pyarrow("parquet").ParquetFile(source if url_of(source) is None else open_file(source)) as file:
            changes = columns_to_change(file.schema_arrow, shown(source))
            for batch in file.iter_batches(BATCH):
                for row in readable(batch).to_pylist():
                    found = {name: value for name, value in row.items() if value is not None}
                    yield {**found, **{name: changes[name](found[name]) for name in changes.keys() & found.keys()}}
                    number += 1
    except faults as error:
        where, why = f", after row {number:,}" * bool(number), str(error).partition("\n")[0] or type(error).__name__
        raise InputError(f"{shown(source)}{where}: not a readable Parquet file ({why})") from error


def write_parquet(batches: Callable[[], Iterable[list[Row]]], target: Path) -> Counter[str]:
    """Write rows to a file; they are read at least twice. Returns the counted replacements. Raises InputError,
    OSError.
    """
    arrow = pyarrow("lib")
    kinds = _kinds(batches())
    while True:
        try:
            return _write(batches(), kinds, target)
        except _Misfit as misfit:  # the type of a column's first rows may not fit all
            kinds[misfit.column] = None
        except arrow.ArrowException as error:
            raise InputError(f"{target}: these rows cannot be written as Parquet ({error}); use .jsonl") from error


def whole_letters(value: Any, halves: list[None]) -> Any:
    """The value without halves of surrogate pairs, which UTF-8 cannot hold; adds an entry to `halves` for each such
    text.
    """
    if isinstance(value, dict):
        return {_written_out(name, halves): whole_letters(inner, halves) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [whole_letters(inner, halves) for inner in value]
    if not isinstance(value, str) or _is_whole(value):
        return value
    halves.append(None)
    return value.encode("utf-16", errors="surrogatepass").decode("utf-16", errors="replace")


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _written_out(name: str, halves: list[None]) -> str:
    if not _is_whole(name):
        halves.append(None)
    return name.encode(errors="backslashreplace").decode()


class _Misfit(Exception):
    """A column has a value that does not fit its type."""

    def __init__(self, column: str) -> None:
        self.column = column


Kinds = dict[str, Any]
"""The type of each column; None if its values are written as text."""


def _kinds(batches: Iterable[list[Row]]) -> Kinds:
    kinds: Kinds = {}
    for batch in batches:
        for name in _names(batch):
            kind = _kind([row.get(name) for row in batch])
            kinds[name] = _common(kinds[name], kind) if name in kinds else kind
    return {name: kind if kind is not None and _is_storable(kind) else None for name, kind in kinds.items()}


def _names(batch: Sequence[Row]) -> Iterable[str]:
    return dict.fromkeys(name for row in batch for name in row)


def _kind(values: Sequence[Any]) -> Any:
    arrow = pyarrow("lib")
    try:
        return arrow.array(values).type
    except (arrow.ArrowException, *_FAULTS):
        return None


def _common(one: Any, other: Any) -> Any:
    """The common type of both; None if there is none."""
    arrow, types = pyarrow("lib"), pyarrow("types")
    if one is None or other is None or one == other:
        return one if one == other else None
    if types.is_struct(one) and types.is_struct(other):
        fields: Kinds = {field.name: field.type for field in one}
        for field in other:
            fields[field.name] = _common(fields[field.name], field.type) if field.name in fields else field.type
        return None if None in fields.values() else arrow.struct(fields.items())
    if types.is_list(one) and types.is_list(other):
        inner = _common(one.value_type, other.value_type)
        return None if inner is None else arrow.list_(inner)
    try:
        schemas = [arrow.schema([("", kind)]) for kind in (one, other)]
        return arrow.unify_schemas(schemas, promote_options="permissive").field(0).type
    except arrow.ArrowException:
        return None


def _is_storable(kind: Any, depth: int = 0) -> bool:
    """Whether Parquet supports the type: it does not support objects without fields."""
    types = pyarrow("types")
    if not types.is_nested(kind):
        return not types.is_decimal(kind)  # it would be read back as another number
    inner = [kind.field(place).type for place in range(kind.num_fields)]
    return bool(inner) and depth < _DEEPEST and all(_is_storable(one, depth + 1) for one in inner)


def _write(batches: Iterable[list[Row]], kinds: Kinds, target: Path) -> Counter[str]:
    arrow, replaced = pyarrow("lib"), Counter[str]()
    schema = arrow.schema([(name, arrow.string() if kind is None else kind) for name, kind in kinds.items()])
    with pyarrow("parquet").ParquetWriter(target, schema, compression="zstd") as writer:
        for batch in batches:
            columns = [_column(name, [row.get(name) for row in batch], kinds[name], replaced) for name in kinds]
            writer.write_table(arrow.Table.from_arrays(columns, schema=schema))
    return replaced


def _column(name: str, values: Sequence[Any], kind: Any, replaced: Counter[str]) -> Any:
    """An array of this type with the values. Raises _Misfit."""
    arrow = pyarrow("lib")
    if kind is None:
        misfits = sum(value is not None and not isinstance(value, str) for value in values)
        if misfits:
            replaced[f"values of `{name}`, which do not have one type of Parquet in common, by text"] += misfits
        return arrow.array([None if value is None else _as_text(value) for value in values], arrow.string())
    try:
        return arrow.array(values, kind)
    except (arrow.ArrowException, *_FAULTS) as error:
        raise _Misfit(name) from error


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else dumps(value).decode().strip()
