"""Parquet columns with types that JSON lacks: numbers and text, or an error that names the column."""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from promptcot.errors import InputError
from promptcot.storage.json import dumps, loads
from promptcot.storage.rows import read_rows

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

MOMENT = datetime.datetime(2024, 1, 2, 3, 4, 5)
CHANGED: list[tuple[str, Any, Any]] = [
    ("a decimal that a number holds", pyarrow.array([Decimal("1.50")]), 1.5),
    ("a decimal that is whole", pyarrow.array([Decimal("204")]), 204),
    ("a decimal that no number holds", pyarrow.array([Decimal("1.5")], pyarrow.decimal128(38, 18)), "1.5"),
    ("a large decimal", pyarrow.array([Decimal("1200")], pyarrow.decimal128(30, 2)), "1200"),
    (
        "a decimal of more digits than Python computes with",
        pyarrow.array([Decimal("1." + "12345" * 12)], pyarrow.decimal256(76, 70)),
        "1." + "12345" * 12,
    ),
    ("a decimal that is zero", pyarrow.array([Decimal("0.00")], pyarrow.decimal128(38, 2)), "0"),
    ("bytes that are text", pyarrow.array(["é".encode()]), "é"),
    ("a moment", pyarrow.array([MOMENT]), "2024-01-02T03:04:05"),
    ("a moment in nanoseconds", pyarrow.array([1], pyarrow.timestamp("ns")), "1970-01-01T00:00:00.000000001"),
    ("a day", pyarrow.array([MOMENT.date()]), "2024-01-02"),
    ("a time of day", pyarrow.array([MOMENT.time()]), "03:04:05"),
    (
        "a time of day in nanoseconds",
        pyarrow.array([123_456_789], pyarrow.time64("ns")),
        "00:00:00.123456789",
    ),
    ("a duration", pyarrow.array([datetime.timedelta(minutes=1)]), 60.0),
    ("a duration in nanoseconds", pyarrow.array([1_500_000_000], pyarrow.duration("ns")), 1.5),
    ("an object", pyarrow.array([{"cost": Decimal("1.5"), "names": [b"a"]}]), {"cost": 1.5, "names": ["a"]}),
    ("a map", pyarrow.array([[("a", 1)]], pyarrow.map_(pyarrow.string(), pyarrow.int32())), [["a", 1]]),
    ("a map of bytes", pyarrow.array([[(b"a", b"b")]], pyarrow.map_(pyarrow.binary(), pyarrow.binary())), [["a", "b"]]),
    ("64 bits without a sign", pyarrow.array([2**64 - 1], pyarrow.uint64()), 2**64 - 1),
    ("a decimal of 61 digits", pyarrow.array([Decimal(10**60)], pyarrow.decimal256(70, 0)), 10**60),
    ("a category of bytes", pyarrow.array([b"a"]).dictionary_encode(), "a"),
    (
        "moments in a list",
        pyarrow.array([[1]], pyarrow.list_(pyarrow.timestamp("ns"))),
        ["1970-01-01T00:00:00.000000001"],
    ),
    ("a category", pyarrow.array(["a"]).dictionary_encode(), "a"),
    ("plain", pyarrow.array([{"a": [1, 2.5, 3]}]), {"a": [1.0, 2.5, 3.0]}),
]


def read(path: Path, column: Any) -> list[dict[str, Any]]:
    parquet.write_table(pyarrow.table({"problem": ["1 + 1?"], "more": column}), path)
    return list(read_rows(path))


@pytest.mark.parametrize(("column", "value"), [one[1:] for one in CHANGED], ids=[one[0] for one in CHANGED])
def test_a_value_becomes_what_json_has_for_it(tmp_path: Path, column: Any, value: Any) -> None:
    found = read(tmp_path / "rows.parquet", column)
    assert found == [{"problem": "1 + 1?", "more": value}]
    assert loads(dumps(found[0])) == found[0]


@pytest.mark.parametrize("column", [[b"\xff\x00"], [{"bytes": b"\x89PNG\xff", "path": "a.png"}], [[b"\xff"]]])
def test_bytes_that_are_no_text_are_refused_by_the_name_of_the_column(tmp_path: Path, column: Any) -> None:
    with pytest.raises(InputError, match=r"rows\.parquet: the column `more` holds bytes that are not text"):
        read(tmp_path / "rows.parquet", pyarrow.array(column))


def test_an_empty_value_of_such_a_column_is_a_missing_field(tmp_path: Path) -> None:
    assert read(tmp_path / "rows.parquet", pyarrow.array([None], pyarrow.decimal128(5, 2))) == [{"problem": "1 + 1?"}]
