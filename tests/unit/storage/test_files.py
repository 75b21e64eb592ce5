"""Files of rows: formats, malformed input, ids, and outputs that appear complete or not at all."""

import errno
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptcot.errors import InputError, LockedError, StorageError
from promptcot.storage import atomic
from promptcot.storage.paths import beside
from promptcot.storage.rows import read_rows, with_ids
from promptcot.storage.writer import RowWriter

ROWS = [{"id": "1", "text": "ä\u2028\n"}, {"id": "2", "big": 10**30, "list": ["a", "b"], "none": None}]


def write(path: Path, rows: list[dict[str, object]]) -> None:
    writer = RowWriter(path)
    for row in rows:
        writer.write(row)
    writer.commit()


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.zst"])
def test_rows_come_back_as_they_were(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    write(path, ROWS)
    assert list(read_rows(path)) == ROWS


def test_parquet_keeps_fields_that_appear_late(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    rows = [{"id": str(n)} for n in range(1500)] + [{"id": "x", "late": {"deep": [1, 2]}}]
    write(tmp_path / "x.parquet", rows)
    assert list(read_rows(tmp_path / "x.parquet")) == rows


BAD = [
    ("missing", None, "no such file"),
    ("empty", b"", "no rows"),
    ("only blank lines", b"\n\n", "no rows"),
    ("not JSON", b'{"a": 1}\n{"a": \n', "line 2: not JSON"),
    ("not an object", b"[1]\n", "line 1: a row is a JSON object"),
    ("not UTF-8", b'{"a": "\xff"}\n', "line 1: not JSON"),
]


@pytest.mark.parametrize(("content", "message"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_malformed_input_says_where(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "x.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        list(read_rows(path))


def test_nothing_appears_before_commit_and_nothing_stays_after_discard(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    writer = RowWriter(path)
    writer.write({"a": 1})
    assert not path.exists()
    writer.discard()
    assert list(tmp_path.iterdir()) == []


def test_an_old_output_survives_a_discarded_new_one(tmp_path: Path) -> None:
    write(tmp_path / "x.jsonl", ROWS)
    writer = RowWriter(tmp_path / "x.jsonl")
    writer.write({"a": 1})
    writer.discard()
    assert list(read_rows(tmp_path / "x.jsonl")) == ROWS


def test_two_writers_on_one_output_the_second_is_refused(tmp_path: Path) -> None:
    first = RowWriter(tmp_path / "x.jsonl")
    with pytest.raises(LockedError, match=r"x\.jsonl"):
        RowWriter(tmp_path / "x.jsonl")
    first.write({"a": 1})
    first.commit()
    RowWriter(tmp_path / "x.jsonl").discard()
    assert list(read_rows(tmp_path / "x.jsonl")) == [{"a": 1}]


@given(st.lists(st.sampled_from(["a", "a-2", "a-3", "b", None, ""]), max_size=12))
def test_ids_are_distinct_and_depend_only_on_what_came_before(ids: list[str | None]) -> None:
    rows = [{"id": name, "prompt": "p"} if name is not None else {"prompt": "p"} for name in ids]
    named = [row["id"] for row in with_ids(rows)]
    assert len(set(named)) == len(named)
    assert named == [row["id"] for row in with_ids([*rows, {"id": "b"}])][: len(named)]


def test_ids_of_rows_that_have_none_come_from_prompt_and_material() -> None:
    same, other = {"prompt": "p"}, {"prompt": "p", "rationale_and_problem": "x"}
    first, second, third = (row["id"] for row in with_ids([same, other, dict(same)]))
    assert first != second
    assert third == f"{first}-2"


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.zst", "x.parquet"])
def test_companions_are_named_after_the_output(name: str) -> None:
    assert beside(Path("d", name), "failed.jsonl") == Path("d", "x.failed.jsonl")


def test_a_small_file_that_does_not_fit_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    (tmp_path / "x.json").write_bytes(b"before")
    monkeypatch.setattr(atomic, "sync", full)
    with pytest.raises(StorageError, match="free some space"):
        atomic.write_whole(tmp_path / "x.json", b"after")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("x.json", b"before")]
