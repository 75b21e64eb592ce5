"""The forms in which rows can be passed, and the errors for anything else."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from datasets import Dataset

from promptcot.api.inputs import as_file
from promptcot.errors import InputError
from promptcot.storage.rows import read_rows

ROWS = [{"prompt": "a", "n": 1}, {"prompt": "b", "n": 2}]


def a_generator() -> Iterator[dict[str, Any]]:
    yield from ROWS


@pytest.mark.parametrize(
    "rows",
    [ROWS, tuple(ROWS), a_generator(), pandas.DataFrame(ROWS), Dataset.from_list(ROWS), map(dict, ROWS)],
    ids=["list", "tuple", "generator", "DataFrame", "Dataset", "map"],
)
def test_rows_may_be_given_in_many_forms(rows: Any, tmp_path: Path) -> None:
    assert list(read_rows(as_file(rows, tmp_path))) == ROWS


def test_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    assert as_file("some/rows.parquet", tmp_path) == Path("some/rows.parquet")
    assert list(tmp_path.iterdir()) == []


def test_missing_values_of_a_frame_are_missing_fields(tmp_path: Path) -> None:
    frame = pandas.DataFrame(
        {
            "prompt": ["a", None, "c"],
            "n": [1.5, float("nan"), 2.0],
            "day": [pandas.NaT, pandas.NaT, pandas.NaT],
            "count": pandas.array([1, None, 3], dtype="Int64"),
        }
    )
    found = list(read_rows(as_file(frame, tmp_path)))
    assert found == [{"prompt": "a", "n": 1.5, "count": 1}, {}, {"prompt": "c", "n": 2.0, "count": 3}]


def test_numpy_values_become_plain_ones(tmp_path: Path) -> None:
    row = {"vector": np.array([1.0, 2.0]), "n": np.int64(3), "nested": {"deep": [np.float32(0.5)]}}
    assert list(read_rows(as_file([row], tmp_path))) == [{"vector": [1.0, 2.0], "n": 3, "nested": {"deep": [0.5]}}]


def test_decimals_and_bytes_that_are_text_become_plain_ones(tmp_path: Path) -> None:
    row = {"cost": Decimal("1.5"), "exact": Decimal("0.1000000000000000001"), "text": "é".encode()}
    assert list(read_rows(as_file([row], tmp_path))) == [{"cost": 1.5, "exact": "0.1000000000000000001", "text": "é"}]


WRONG = [
    ("a number", 5, "a int holds no rows"),
    ("one row", {"prompt": "a"}, "a dict holds no rows"),
    ("numbers", [1, 2], "row 1: it is a int; a row is a mapping"),
    ("a text among rows", [{"a": 1}, "b"], "row 2: it is a str"),
    ("an object", [{"a": object()}], "row 1: it cannot be written as JSON"),
    ("an image", [{"problem": "p", "image": b"\xff"}], "row 1: it cannot be written as JSON .`image`: "),
    ("two columns of one name", pandas.DataFrame([[1, 2]], columns=["a", "a"]), "two columns with the same name"),
    ("no rows", [], "there are none"),
    ("rows that hold themselves", (lambda row: [row.update(me=row) or row])({}), "row 1: it cannot be written as JSON"),
]


@pytest.mark.parametrize(("rows", "words"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_what_holds_no_rows_is_named(rows: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        as_file(rows, tmp_path)
    assert list(tmp_path.glob("*.partial")) == []
