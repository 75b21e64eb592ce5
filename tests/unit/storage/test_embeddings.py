"""Embeddings files: both forms round-trip, the matrix stays on disk, and errors in files name the row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors.numpy import load_file, save_file

from promptcot.errors import InputError
from promptcot.storage.embeddings import read_embeddings, to_float16, write_embeddings

NAMES = ["prime numbers", "Viète's formulas", "lattice points"]
MATRIX = np.array([[1.0, -2.5], [0.0, 3.0], [1e-3, 7.0]], np.float16)


def write(path: Path, matrix: np.ndarray[Any, Any] = MATRIX) -> Path:
    write_embeddings(path, NAMES, matrix.shape[1], [matrix[:2], matrix[2:]])
    return path


def rows_file(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("name", ["X.safetensors", "X.jsonl", "X.jsonl.zst"])
def test_what_was_written_is_read(tmp_path: Path, name: str) -> None:
    found = read_embeddings(write(tmp_path / name))
    assert list(found.names) == NAMES
    assert found.matrix.dtype == np.float16
    assert np.array_equal(found.matrix, MATRIX)
    assert not list(tmp_path.glob("*.partial"))


def test_the_matrix_of_a_safetensors_file_stays_on_disk(tmp_path: Path) -> None:
    matrix = read_embeddings(write(tmp_path / "X.safetensors")).matrix
    assert isinstance(matrix, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        matrix[0, 0] = 1


def test_the_files_are_those_of_the_design(tmp_path: Path) -> None:
    write(tmp_path / "X.safetensors")
    assert np.array_equal(load_file(tmp_path / "X.safetensors")["embeddings"], MATRIX)
    assert [json.loads(line) for line in (tmp_path / "X.jsonl").read_text().splitlines()] == [
        {"sentence": name} for name in NAMES
    ]


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_file_that_the_safetensors_library_wrote_is_read(tmp_path: Path, dtype: Any) -> None:
    other = np.ones((5, 7), np.float32)
    save_file({"a": other, "embeddings": MATRIX.astype(dtype), "z": other}, tmp_path / "X.safetensors", {"by": "us"})
    rows_file(tmp_path / "X.jsonl", [{"sentence": name, "more": 1} for name in NAMES])
    assert np.array_equal(read_embeddings(tmp_path / "X.safetensors").matrix, MATRIX)


def test_the_public_form_with_whole_numbers_and_other_fields_is_read(tmp_path: Path) -> None:
    rows = [{"sentence": "a", "embedding": [1, 2.5], "id": 3}, {"sentence": "b", "embedding": [0, -1]}]
    assert read_embeddings(rows_file(tmp_path / "X.jsonl", rows)).matrix.tolist() == [[1.0, 2.5], [0.0, -1.0]]


@pytest.mark.parametrize(
    ("second", "complaint"),
    [
        ({"sentence": "b"}, "`embedding` is missing"),
        ({"sentence": "b", "embedding": []}, "`embedding` is missing"),
        ({"sentence": "b", "embedding": "1 2"}, "is not a list"),
        ({"sentence": "b", "embedding": [1, "x"]}, "not a list of numbers"),
        ({"sentence": "b", "embedding": [1, [2]]}, "not a list of numbers"),
        ({"sentence": "b", "embedding": [[1], [2]]}, "not a list of numbers"),
        ({"sentence": "b", "embedding": [1, None]}, "not finite"),
        ({"sentence": "b", "embedding": [1, float("nan")]}, "not finite"),
        ({"sentence": "b", "embedding": [1, float("inf")]}, "not finite"),
        ({"sentence": "b", "embedding": [1, 2, 3]}, "3 dimensions, the rows before have 2"),
        ({"embedding": [1, 2]}, "`sentence` is missing"),
        ({"sentence": " ", "embedding": [1, 2]}, "`sentence` is missing"),
    ],
)
def test_a_bad_row_of_the_public_form_is_named(tmp_path: Path, second: dict[str, Any], complaint: str) -> None:
    path = rows_file(tmp_path / "X.jsonl", [{"sentence": "a", "embedding": [1, 2]}, second])
    with pytest.raises(InputError, match=complaint) as found:
        read_embeddings(path)
    assert str(found.value).startswith((f"{path}, row 2: ", f"{path}, line 2: "))


@pytest.mark.parametrize("name", ["X.safetensors", "X.jsonl", "X.npy"])
def test_a_file_that_is_missing_or_of_another_kind_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=name):
        read_embeddings(tmp_path / name)


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "X.safetensors").touch()
    with pytest.raises(InputError, match="not a safetensors file"):
        read_embeddings(tmp_path / "X.safetensors")
    (tmp_path / "X.jsonl").touch()
    with pytest.raises(InputError, match="has no rows"):
        read_embeddings(tmp_path / "X.jsonl")


def test_a_safetensors_file_that_was_cut_off_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path / "X.safetensors")
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(InputError, match=r"X\.safetensors"):
            read_embeddings(path)


@pytest.mark.parametrize(
    ("tensors", "complaint"),
    [
        ({"vectors": MATRIX}, "no tensor `embeddings` .but vectors"),
        ({"embeddings": MATRIX[0]}, "must be a matrix"),
        ({"embeddings": np.ones((3, 2), np.int8)}, "type F16 or F32, this is I8"),
        ({"embeddings": np.ones((0, 2), np.float16)}, "is empty"),
    ],
)
def test_a_safetensors_file_with_another_content_is_refused(
    tmp_path: Path, tensors: dict[str, Any], complaint: str
) -> None:
    save_file(tensors, tmp_path / "X.safetensors")
    with pytest.raises(InputError, match=complaint):
        read_embeddings(tmp_path / "X.safetensors")


def test_names_that_are_missing_or_too_few_are_noticed(tmp_path: Path) -> None:
    path = write(tmp_path / "X.safetensors")
    rows_file(tmp_path / "X.jsonl", [{"sentence": "a"}, {"sentence": "b"}])
    with pytest.raises(InputError, match="2 names for the 3 rows"):
        read_embeddings(path)
    (tmp_path / "X.jsonl").unlink()
    with pytest.raises(InputError, match="must hold the names"):
        read_embeddings(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_value_that_is_not_finite_is_found_and_its_row_named(tmp_path: Path, value: float, dtype: Any) -> None:
    matrix = np.ones((5000, 2), dtype)
    matrix[4500, 1] = value
    save_file({"embeddings": matrix}, tmp_path / "X.safetensors")
    rows_file(tmp_path / "X.jsonl", [{"sentence": f"c{row}"} for row in range(5000)])
    with pytest.raises(InputError, match=r"row 4501 \('c4500'\).*not finite"):
        read_embeddings(tmp_path / "X.safetensors")


def test_the_largest_values_of_float16_are_finite(tmp_path: Path) -> None:
    matrix = np.array([[65504, -65504], [0, 6e-8], [1, 1]], np.float16)
    assert np.array_equal(read_embeddings(write(tmp_path / "X.safetensors", matrix)).matrix, matrix)


@given(arrays.arrays(np.float32, (3, 4), elements=st.floats(-(2.0**100), 2.0**100, width=32)))
def test_conversion_keeps_every_direction(vectors: Any) -> None:
    halves = to_float16(vectors)
    assert np.isfinite(halves).all()
    for vector, half in zip(vectors.astype(np.float64), halves.astype(np.float64), strict=True):
        largest = np.abs(vector).max()
        if largest <= 65504:
            assert np.array_equal(half, vector.astype(np.float16).astype(np.float64))
        else:
            np.testing.assert_allclose(half / np.abs(half).max(), vector / largest, atol=1e-3)


def test_another_suffix_cannot_be_written(tmp_path: Path) -> None:
    for name in ("X.npy", "X.parquet"):
        with pytest.raises(InputError, match="written to"):
            write(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_nothing_appears_when_writing_fails_midway(tmp_path: Path) -> None:
    def blocks() -> Any:
        yield MATRIX[:2]
        raise RuntimeError("stop")

    for name in ("X.safetensors", "Y.jsonl"):
        with pytest.raises(RuntimeError):
            write_embeddings(tmp_path / name, NAMES, 2, blocks())
        assert not (tmp_path / name).exists()
