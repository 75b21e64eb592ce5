"""Converts Parquet values that JSON does not have: decimals, dates, times and bytes, to numbers and text.

The column's type decides, so that all its rows get the same type. A decimal becomes a number if a number holds it
exactly, else text; dates and times become text (ISO 8601), durations seconds, and bytes are decoded as text. A column
that cannot be converted is refused by its name. Columns of plain types are not touched.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

from promptcot.errors import InputError
from promptcot.storage.parquet import pyarrow

Plain = Callable[[Any], Any]
"""A JSON value."""

_EXACT_DIGITS = 15
"""The number of decimal digits that survive a conversion to float."""


def columns_to_change(schema: Any, where: str) -> dict[str, Plain]:
    """For each column that JSON cannot hold, its conversion; `where` is the file's name in errors."""
    types = pyarrow("types")
    return {
        column.name: _changed(column.type, f"{where}: the column `{column.name}`")
        for column in schema
        if not _is_plain(column.type, types)
    }


def readable(batch: Any) -> Any:
    """The batch with nanosecond times as text, because Python's times cannot hold them."""
    pa, types, compute = pyarrow("lib"), pyarrow("types"), pyarrow("compute")
    for place, column in enumerate(batch.schema):
        if (types.is_timestamp(column.type) or types.is_time64(column.type)) and column.type.unit == "ns":
            text = compute.replace_substring(batch.column(place).cast(pa.string()), " ", "T")
            batch = batch.set_column(place, column.name, text)
    return batch


def _is_plain(kind: Any, types: Any) -> bool:
    if types.is_nested(kind):
        return not types.is_map(kind) and all(_is_plain(kind.field(n).type, types) for n in range(kind.num_fields))
    if types.is_dictionary(kind):
        return _is_plain(kind.value_type, types)
    plain = (types.is_integer, types.is_float32, types.is_float64, types.is_boolean, types.is_null)
    return any(is_so(kind) for is_so in (*plain, types.is_string, types.is_large_string))


def _changed(kind: Any, what: str) -> Plain:
    exact = _decimals_are_numbers(kind)
    return lambda value: _plain(value, what, exact)


def _decimals_are_numbers(kind: Any) -> bool:
    """Whether a number holds all decimals of a type exactly."""
    types = pyarrow("types")
    if types.is_nested(kind):
        return all(_decimals_are_numbers(kind.field(n).type) for n in range(kind.num_fields))
    return not types.is_decimal(kind) or kind.scale == 0 or kind.precision <= _EXACT_DIGITS


def _plain(value: Any, what: str, exact: bool) -> Any:
    """The JSON value. Raises InputError."""
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, dict):
        return {str(name): _plain(inner, what, exact) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner, what, exact) for inner in value]
    if isinstance(value, bytes):
        return _text(value, what)
    if hasattr(value, "total_seconds"):  # checked first, because pandas' durations have `isoformat` too
        return value.total_seconds()
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, Decimal):
        return _number(value) if exact else _all_digits(value)
    if isinstance(value, UUID):
        return str(value)
    if hasattr(value, "item"):  # half-precision floats
        return value.item()
    raise InputError(f"{what} holds a {type(value).__name__}, which JSON does not have; leave the column out")


def _number(value: Decimal) -> int | float:
    is_integer = isinstance(exponent := value.as_tuple().exponent, int) and exponent >= 0
    return int(value) if is_integer else float(value)


def _all_digits(value: Decimal) -> str:
    """All digits without trailing zeros; `normalize` would round to the 28 digits of Python's context."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _text(value: bytes, what: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{what} holds bytes that are not text, such as an image; leave the column out") from error
