"""Values that JSON, orjson and Python handle differently, through one line of JSON and back."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest

from promptcot.storage.json import MOST_NESTED, dumps, indented, loads, written

CARRIED: list[tuple[str, bytes, Any]] = [
    ("beyond a double", b"1e999", math.inf),
    ("beyond a double, below zero", b"-1e999", -math.inf),
    ("as Python writes it", b"-Infinity", -math.inf),
    ("23 digits", b"12345678901234567890123", 12345678901234567890123),
    ("5,000 digits", b"9" * 5000, Decimal("9" * 5000)),
    ("less than zero, 700 digits", b"-" + b"9" * 700, Decimal("-" + "9" * 700)),
    ("a double of 30 digits", b"0.123456789012345678901234567890", 0.123456789012345678901234567890),
    ("minus zero", b"-0.0", -0.0),
    ("half a surrogate pair", b'"a\\ud800"', "a\ud800"),
    ("a whole pair", b'"\\ud83d\\ude00"', "\U0001f600"),
    ("half a pair as a name", b'{"\\udfff":1}', {"\udfff": 1}),
    ("a name twice", b'{"a":1,"a":2}', {"a": 2}),
    ("no name", b'{"":1}', {"": 1}),
    ("braces in a text", b'"' + b"{" * 500 + b'"', "{" * 500),
    ("as deep as may be", b"[" * MOST_NESTED + b"]" * MOST_NESTED, None),
]


@pytest.mark.parametrize(("line", "value"), [case[1:] for case in CARRIED], ids=[case[0] for case in CARRIED])
def test_what_is_read_is_written_so_that_it_reads_the_same(line: bytes, value: Any) -> None:
    found = loads(line)
    assert value is None or found == value
    again = dumps(found)
    assert loads(again) == found
    assert b"Infinity" not in again


@pytest.mark.parametrize("depth", [MOST_NESTED + 1, 900, 1100, 100_000])
@pytest.mark.parametrize(("opened", "closed"), [(b"[", b"]"), (b'{"a":', b"}")], ids=["lists", "objects"])
def test_what_could_not_be_written_again_is_refused_when_it_is_read(depth: int, opened: bytes, closed: bytes) -> None:
    with pytest.raises(ValueError, match="nested more than 200 deep"):
        loads(opened * depth + (b"1" if opened != b"[" else b"") + closed * depth)


def test_nan_is_null_and_counted_or_stays_in_files_that_only_we_read() -> None:
    row = loads(b'{"a":NaN,"b":[NaN,null],"c":1e999}')
    assert written(row) == (b'{"a": null, "b": [null, null], "c": 1e999}\n', 2)
    assert written(row, "NaN")[0] == b'{"a": NaN, "b": [NaN, null], "c": 1e999}\n'


def test_ordinary_rows_are_written_as_before() -> None:
    assert dumps({"a": None, "b": [1, "é"], "c": 1.5}) == '{"a":null,"b":[1,"é"],"c":1.5}\n'.encode()
    assert dumps({"a": 2**70, "b": "é", 1: True}) == b'{"a": 1180591620717411303424, "b": "\\u00e9", "1": true}\n'


def test_an_integer_that_python_refuses_to_print_is_written() -> None:
    assert dumps(10**5000) == b"1" + b"0" * 5000 + b"\n"


def test_what_json_does_not_have_is_a_type_error() -> None:
    for value in ({1, 2}, {"a": "\ud800", "b": object()}, Decimal("NaN")):
        with pytest.raises(TypeError):
            dumps(value)


def test_small_files_take_half_a_surrogate_too() -> None:
    assert loads(indented({"data_path": "x\udcff"})) == {"data_path": "x\udcff"}
