"""One line of JSON and back: orjson where it is exact, the standard library and a small writer for what it is not.

Decides how values travel that JSON or Python is at odds with. Numbers beyond a double are infinite and are written as
1e999, which reads as the same again; integers that Python refuses to print are kept as decimals; half a surrogate is
escaped. NaN, which other programs write, is read, and becomes null where it is written. What is nested so deeply that
it could not be written again is refused when it is read.
"""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from typing import Any, Literal

import orjson

MOST_NESTED = 200
"""How deep lists and objects may lie in each other: orjson writes 254 levels, and steps may add some of their own."""

_BEYOND_ASCII = re.compile(r"[^ -~]")
_LONG_NUMBER = re.compile(rb"\d{19}")
_SIGN_OF_ONE = re.compile(rb"\d{3}")  # in every sixth byte: six times quicker than to look at all of them
_LONGEST_INTEGER = 640  # digits that Python converts whatever its limit is set to


def dumps(row: Any) -> bytes:
    """One line of JSON with its line break. Raises TypeError for what JSON does not have, RecursionError."""
    return written(row)[0]


def written(row: Any, nan: Literal["null", "NaN"] = "null") -> tuple[bytes, int]:
    """The same line, and how many values of it are NaN, for which `nan` is written; "NaN" is for our own files only."""
    try:
        line = orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # huge integers, lone surrogates, keys that are no text
        return _slowly(row, nan)
    # orjson writes null for NaN and for what is infinite
    return (line, 0) if b"null" not in line or _is_finite(row) else _slowly(row, nan)


def why_not(value: Any) -> str | None:
    """Why a value can be no line of a file, or would be none that is read again; None where it can."""
    try:
        line = dumps(value)
    except (TypeError, ValueError, RecursionError) as error:
        return f"{type(error).__name__}: {error}"
    brackets = line.count(b"[") + line.count(b"{")  # seldom so many that a look at how they lie is worth while
    deep = brackets > MOST_NESTED and _is_deeper(value, MOST_NESTED)
    return f"it is nested more than {MOST_NESTED} deep" if deep else None


def indented(value: Any) -> bytes:
    """The JSON of a small file that people read, such as a summary."""
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # half a surrogate, as in a file's name that is no UTF-8
        return json.dumps(value, indent=2).encode() + b"\n"


def ascii_line(value: Any) -> str:
    """The same line without its line break, in ASCII: a terminal shows it as it is, whatever is in it."""
    return _BEYOND_ASCII.sub(_escaped, dumps(value).decode().rstrip("\n"))


def _escaped(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1]  # two escapes for a character beyond 16 bits


def loads(line: bytes) -> Any:
    """The JSON value of one line. Raises ValueError, also for too deep a nesting."""
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
    try:  # of bytes json would guess the encoding
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
    """Whether no number in there is infinite or NaN."""
    if isinstance(value, float):
        return math.isfinite(value)
    return all(_is_finite(inner) for inner in _inside(value) if isinstance(inner, (float, dict, list, tuple)))


def _slowly(row: Any, nan: str) -> tuple[bytes, int]:
    lost: list[None] = []
    return f"{_text(row, nan, lost)}\n".encode(), len(lost)


def _text(value: Any, nan: str, lost: list[None]) -> str:
    """The JSON of a value in ASCII, as the standard library writes it, but for numbers. Notes each NaN in `lost`."""
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
