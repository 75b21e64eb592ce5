"""Rows and outputs at addresses, on the memory file system of fsspec."""

from __future__ import annotations

import io
import os
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

from promptcot.errors import InputError
from promptcot.storage import rows
from promptcot.storage.embeddings import read_embeddings, write_embeddings
from promptcot.storage.paths import url_of
from promptcot.storage.remote import Folder
from promptcot.storage.rows import read_rows
from promptcot.storage.writer import RowWriter

pytest.importorskip("fsspec")


@pytest.fixture
def place() -> str:
    """A folder of this test alone."""
    return f"memory://{uuid4().hex}"


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("s3://bucket/a.jsonl", "s3://bucket/a.jsonl"),
        (Path("s3://bucket/a.jsonl"), "s3://bucket/a.jsonl"),
        (Path("gs://b/c/d.parquet"), "gs://b/c/d.parquet"),
        ("hdfs:///c/d.parquet", "hdfs:///c/d.parquet"),
        (Path("local:///c/d.jsonl"), "local:///c/d.jsonl"),
        ("/home/a.jsonl", None),
        ("a.jsonl", None),
        (Path("file:///tmp/a.jsonl"), None),
        ("odd:name.jsonl", None),
    ],
)
def test_a_path_is_told_from_an_address(path: str | Path, url: str | None) -> None:
    assert url_of(path) == url


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.zst", ".parquet"])
def test_rows_at_an_address_are_those_on_disk(place: str, suffix: str, tmp_path: Path) -> None:
    writer = RowWriter(tmp_path / f"x{suffix}")
    writer.write({"id": "a", "prompt": "ä"})
    writer.write({"id": "b", "prompt": "c"})
    writer.commit()
    Folder.at(place).send(tmp_path / f"x{suffix}", f"x{suffix}")
    assert list(read_rows(Path(f"{place}/x{suffix}"))) == list(read_rows(tmp_path / f"x{suffix}"))


def test_an_address_without_a_file_and_one_of_an_unknown_kind_are_said(place: str) -> None:
    with pytest.raises(InputError, match="no such file"):
        list(read_rows(f"{place}/none.jsonl"))
    with pytest.raises(InputError, match="this address cannot be used"):
        Folder.at("nonsense://x/y")


def test_vectors_at_an_address_are_fetched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTCOT_CACHE", str(tmp_path / "cache"))
    there = tmp_path / "there"
    write_embeddings(there / "v.safetensors", ["a", "b"], 2, [np.eye(2, dtype=np.float32)])
    url = f"local://{there}/v.safetensors"
    assert read_embeddings(url).names == ["a", "b"]
    [copy] = (tmp_path / "cache").rglob("v.safetensors")
    first = copy.stat().st_ino
    read_embeddings(url)
    assert copy.stat().st_ino == first
    write_embeddings(there / "v.safetensors", ["a", "b"], 2, [2 * np.eye(2, dtype=np.float32)])
    os.utime(there / "v.safetensors", ns=(1, 1))
    assert read_embeddings(url).matrix[0, 0] == 2
    assert [path.name for path in copy.parent.iterdir()] == ["v.safetensors"]


def test_an_address_that_breaks_off_is_said_with_the_line(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: object) -> int:
            raise ConnectionResetError("reset by peer")

    monkeypatch.setattr(rows, "open_file", lambda path: io.BufferedReader(Broken()))
    with pytest.raises(InputError, match=r"x\.jsonl, after line 0: it cannot be read further \(reset by peer\)"):
        list(read_rows(f"{place}/x.jsonl"))
