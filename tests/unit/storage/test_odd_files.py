"""Damaged or unusual files: all rows are read, or an error names the file and the place; never only some rows."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import zstandard

from promptcot.errors import InputError
from promptcot.storage import rows as storage_rows
from promptcot.storage.rows import read_rows
from promptcot.storage.writer import RowWriter

LINES = b"".join(b'{"id":"%d","text":"%s"}\n' % (n, random.Random(n).randbytes(40).hex().encode()) for n in range(9000))
PACKED = zstandard.compress(LINES)

DAMAGED: list[tuple[str, str, bytes, str]] = [
    ("cut zst", "x.jsonl.zst", PACKED[: len(PACKED) // 2], "after line .*ends in the middle of a frame"),
    ("zst without its last byte", "x.jsonl.zst", PACKED[:-1], "ends in the middle of a frame"),
    ("garbage behind a frame", "x.jsonl.zst", PACKED + b"garbage", "after line 9000: not a readable .zst"),
    ("no zst at all", "x.jsonl.zst", LINES, "after line 0: not a readable .zst"),
    ("UTF-16", "x.jsonl", LINES[:200].decode().encode("utf-16"), "line 1: not JSON .the file is UTF-16; write it as"),
    ("NUL bytes", "x.jsonl", b'{"a":1}\n\x00\x00\x00\n', "line 2: not JSON"),
    ("not UTF-8", "x.jsonl", b'{"a":1}\n{"a":"\xff"}\n', "line 2: not JSON"),
    ("lone carriage returns", "x.jsonl", b'{"a":1}\r{"a":2}\r', "line 1: not JSON"),
    (
        "nested 100,000 deep",
        "x.jsonl",
        b'{"a":1}\n{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n",
        "line 2: .*deep",
    ),
]


@pytest.mark.parametrize(("name", "content", "words"), [one[1:] for one in DAMAGED], ids=[one[0] for one in DAMAGED])
def test_a_damaged_file_is_one_line_that_says_where(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words) as found:
        list(read_rows(tmp_path / name))
    assert name in str(found.value)
    assert "\n" not in str(found.value)


WHOLE: list[tuple[str, str, bytes, int]] = [
    ("two frames", "x.jsonl.zst", zstandard.compress(LINES[:500]) + zstandard.compress(LINES[500:]), 9000),
    ("an empty frame among others", "x.jsonl.zst", zstandard.compress(b"") + PACKED + zstandard.compress(b""), 9000),
    ("a frame to be skipped", "x.jsonl.zst", b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc" + PACKED, 9000),
    ("byte order mark", "x.jsonl", b"\xef\xbb\xbf" + b'{"a":1}\n', 1),
    ("lines of Windows", "x.jsonl", b'{"a":1}\r\n{"a":2}\r\n', 2),
    ("no line break at the end", "x.jsonl", b'{"a":1}\n{"a":2}', 2),
    ("a line of 10 MB", "x.jsonl", b'{"a":"' + b"x" * 10_000_000 + b'"}\n{"a":1}\n', 2),
]


@pytest.mark.parametrize(("name", "content", "count"), [one[1:] for one in WHOLE], ids=[one[0] for one in WHOLE])
def test_an_odd_file_is_read_as_a_whole(tmp_path: Path, name: str, content: bytes, count: int) -> None:
    (tmp_path / name).write_bytes(content)
    assert sum(1 for _ in read_rows(tmp_path / name)) == count


class Failing(io.BytesIO):
    """A file whose end cannot be read."""

    def readline(self, size: int | None = -1, /) -> bytes:
        if self.tell() > 400:
            raise OSError(5, "Input/output error")
        return super().readline(size)

    def __next__(self) -> bytes:
        return self.readline()

    def read(self, size: int | None = -1, /) -> bytes:
        raise OSError(5, "Input/output error")


@pytest.mark.parametrize(("name", "place"), [("x.jsonl", "after line [1-9]"), ("x.jsonl.zst", "after line 0")])
def test_a_disk_that_fails_in_the_middle_is_named_with_the_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, place: str
) -> None:
    (tmp_path / name).touch()
    monkeypatch.setattr(storage_rows, "open_file", lambda path: Failing(LINES))
    with pytest.raises(InputError, match=rf"{name}, {place}.*cannot be read further .*Input/output error"):
        list(read_rows(tmp_path / name))


def parquet_file(folder: Path) -> bytes:
    pytest.importorskip("pyarrow")
    write(folder / "x.parquet", [{"id": str(number), "text": "x" * number, "list": [number]} for number in range(50)])
    return (folder / "x.parquet").read_bytes()


BROKEN: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("no bytes", lambda whole: b""),
    ("no footer", lambda whole: whole[:-8]),
    ("cut in half", lambda whole: whole[: len(whole) // 2]),
    ("another beginning", lambda whole: whole[:6] + b"\xff" * 4 + whole[10:]),
    ("another footer", lambda whole: whole[:-60] + b"\xff" * 30 + whole[-30:]),
    ("a length of the footer that is too long", lambda whole: whole[:-8] + b"\xff\xff\xff\x7fPAR1"),
    ("JSON lines", lambda whole: b'{"a":1}\n' * 10),
]


@pytest.mark.parametrize("damage", [one[1] for one in BROKEN], ids=[one[0] for one in BROKEN])
def test_a_damaged_parquet_file_is_one_line(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    (tmp_path / "x.parquet").write_bytes(damage(parquet_file(tmp_path)))
    with pytest.raises(InputError, match=r"x\.parquet.*: not a readable Parquet file") as found:
        list(read_rows(tmp_path / "x.parquet"))
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("seed", range(60))
def test_bytes_changed_anywhere_in_a_parquet_file_raise_nothing_else(tmp_path: Path, seed: int) -> None:
    content, draws = bytearray(parquet_file(tmp_path)), random.Random(seed)
    for _ in range(draws.randint(1, 4)):
        content[draws.randrange(len(content))] = draws.randrange(256)
    (tmp_path / "x.parquet").write_bytes(content)
    with suppress(InputError):
        list(read_rows(tmp_path / "x.parquet"))


def write(path: Path, rows: list[dict[str, Any]]) -> dict[str, int]:
    writer = RowWriter(path)
    for row in rows:
        writer.write(row)
    writer.commit()
    return dict(writer.replaced)


AS_TEXT = "values of `a`, which do not have one type of Parquet in common, by text"
HALVES = "texts with half a surrogate pair, which UTF-8 cannot encode, by texts with U+FFFD"
LATER = {"x": None, "y": []}
COLUMNS: list[tuple[str, list[Any], list[Any], dict[str, int]]] = [
    ("a number, then a text", [1, "x"], ["1", "x"], {AS_TEXT: 1}),
    ("a text after 1,100 numbers", [1] * 1100 + ["x"], ["1"] * 1100 + ["x"], {AS_TEXT: 1100}),
    ("above 64 bits", [2**70], [str(2**70)], {AS_TEXT: 1}),
    ("a double and a number beyond its digits", [0.5, 2**60 + 1], ["0.5", str(2**60 + 1)], {AS_TEXT: 2}),
    ("an object without fields", [{}], ["{}"], {AS_TEXT: 1}),
    ("a list of several types", [[1, "x"]], ['[1,"x"]'], {AS_TEXT: 1}),
    ("half a surrogate pair", ["\ud800x"], ["\ufffdx"], {HALVES: 1}),
    ("objects of several forms", [{"x": 1}, {"y": "s"}], [{"x": 1, "y": None}, {"x": None, "y": "s"}], {}),
    ("NaN and infinity", [float("inf"), 1.5], [float("inf"), 1.5], {}),
    ("objects with new fields later", [{"x": 1}] * 1024 + [{"y": []}], [{"x": 1, "y": None}] * 1024 + [LATER], {}),
    ("an empty list", [[], [None]], [[], [None]], {}),
]


@pytest.mark.parametrize(("values", "back", "replaced"), [one[1:] for one in COLUMNS], ids=[one[0] for one in COLUMNS])
def test_what_parquet_does_not_have_is_replaced_and_counted(
    tmp_path: Path, values: list[Any], back: list[Any], replaced: dict[str, int]
) -> None:
    pytest.importorskip("pyarrow")
    assert write(tmp_path / "x.parquet", [{"id": "1", "a": value} for value in values]) == replaced
    assert [row["a"] for row in read_rows(tmp_path / "x.parquet")] == back
