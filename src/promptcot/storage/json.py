"""Reads and writes lines of JSON: with orjson where it is exact, else with the standard library and a small writer.

Decides the form of values that JSON or Python does not support. Numbers beyond a double are infinite and are written as
1e999, which is read back as the same; integers that Python refuses to print are kept as decimals; half a surrogate pair
is escaped. NaN, which other programs write, is accepted, and is written as null. Values that are nested too deeply to
be written again are refused when they are read.
"""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from typing import Any, Literal

import orjson

MOST_NESTED = 200
"""The most nested lists and objects: orjson writes 254 levels, and steps may add some."""

_BEYOND_ASCII = re.compile(r"[^ -~]")
_LONG_NUMBER = re.compile(rb"\d{19}")
_SIGN_OF_ONE = re.compile(rb"\d{3}")  # checked in every sixth byte, which is six times faster
_LONGEST_INTEGER = 640  # digits that Python always converts, whatever its limit is set to


def dumps(row: Any) -> bytes:
    """One line of JSON with its line break. Raises TypeError for values that JSON cannot hold, RecursionError."""
    return written(row)[0]


def written(row: Any, nan: Literal["null", "NaN"] = "null") -> tuple[bytes, int]:
    """The same line, and the number of NaN values, written as `nan`; "NaN" is only for files that only we read."""
    try:
        line = orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # huge integers, lone surrogates, keys that are not strings
        return _slowly(row, nan)
    # orjson writes null for NaN and for infinite numbers
    return (line, 0) if b"null" not in line or _is_finite(row) else _slowly(row, nan)


def why_not(value: Any) -> str | None:
    """Why a value cannot be written as a line and read again; None if it can."""
    try:
        line = dumps(value)
    except (TypeError, ValueError, RecursionError) as error:
        return f"{type(error).__name__}: {error}"
    brackets = line.count(b"[") + line.count(b"{")  # rarely so many that their nesting must be checked
    deep = brackets > MOST_NESTED and _is_deeper(value, MOST_NESTED)
    return f"it is nested more than {MOST_NESTED} deep" if deep else None


def indented(value: Any) -> bytes:
    """Indented JSON for a small file that people read, such as a summary."""
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # half a surrogate pair, as in a file name that is not UTF-8
        return json.dumps(value, indent=2).encode() + b"\n"


def ascii_line(value: Any) -> str:
    """The same line without its line break, in ASCII: a terminal shows it unchanged, with any content."""
    return _BEYOND_ASCII.sub(_escaped, dumps(value).decode().rstrip("\n"))


def _escaped(match: re.Match[str]) -> str:
    return json.dumps(match[0])[1:-1]  # two escapes for a character beyond 16 bits


def loads(line: bytes) -> Any:
    """The JSON value of one line. Raises ValueError, also if it is nested too deeply."""
    value = _value(line)
    if _is_deeper(value, MOST_NESTED):
        raise ValueError(f"it is nested more than {MOST_NESTED} deep")
    return value


def _value(line: bytes) -> Any:
    if not (
        _SIGN_OF_ONE.search(line[::6]) and _LONG_NUMBER.search(line)
    ):  # orjson would read such an integer as a float
        try:
            return orjson.loads(line)
        except orjson.JSONDecodeError:
            pass  # json also reads lone surrogates, NaN, and numbers beyond a double
    try:  # json would guess the encoding of bytes
        return json.loads(line.decode("utf-8-sig", "surrogatepass"), parse_int=_integer)
    except RecursionError as error:
        raise ValueError(f"it is nested more than {MOST_NESTED} deep") from error


def _integer(digits: str) -> int | Decimal:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else Decimal(digits)


def _is_deeper(value: Any, most: int) -> bool:
    level = [value]
    for _ in range(most):
        level = [inner for outer in level for inner in _inside(outer) if isinstance(inner, (dict, list))]
        if not level:
            return False
    return True


def _inside(value: Any) -> Any:
    return value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()


def _is_finite(value: Any) -> bool:
    """Whether no number in a value is infinite or NaN."""
    if isinstance(value, float):
        return math.isfinite(value)
    return all(_is_finite(inner) for inner in _inside(value) if isinstance(inner, (float, dict, list, tuple)))


def _slowly(row: Any, nan: str) -> tuple[bytes, int]:
    lost: list[None] = []
    return f"{_text(row, nan, lost)}\n".encode(), len(lost)


def _text(value: Any, nan: str, lost: list[None]) -> str:
    """The JSON of a value in ASCII, as in the standard library except for numbers. Adds an entry to `lost` for each
    NaN.
    """
    if isinstance(value, dict):
        pairs = (f"{_name(name)}: {_text(inner, nan, lost)}" for name, inner in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_text(inner, nan, lost) for inner in value)}]"
    if isinstance(value, Decimal) and value.is_finite():
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(Decimal(value))  # Python refuses to print integers of some thousand digits
    if not isinstance(value, float) or math.isfinite(value):
        return json.dumps(value)
    if math.isinf(value):
        return "1e999" if value > 0 else "-1e999"
    lost.append(None)
    return nan


def _name(key: Any) -> str:
    return json.dumps(key if isinstance(key, str) else json.dumps(key))
