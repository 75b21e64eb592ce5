"""Lines and documents with checksums: only undamaged content is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptcot.storage.checked import body, intact, read_document, record_of, sealed, write_document
from promptcot.storage.json import dumps

VALUES = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text()


@given(st.dictionaries(st.text(), VALUES, min_size=1))
def test_a_sealed_line_is_json_with_the_checksum_as_its_last_field(fields: dict[str, Any]) -> None:
    fields.pop("crc32", None)
    fields = fields or {"a": 1}
    line = sealed(dumps(fields))
    assert intact(line)
    assert record_of(line) == fields
    assert body(line) == body(dumps(fields))


def test_a_document_from_which_a_secret_was_taken_is_whole(tmp_path: Path) -> None:
    write_document(tmp_path / "x.json", {"command": ["--data_path", "sk-0123456789abcdef/rows.jsonl"]})
    assert read_document(tmp_path / "x.json") == {"command": ["--data_path", "***/rows.jsonl"]}


@given(st.text(min_size=1), st.data())
def test_a_byte_that_changed_is_seen(text: str, data: st.DataObject) -> None:
    line = sealed(dumps({"text": text}))
    place = data.draw(st.integers(0, len(line) - 2))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != line[place]))
    assert not intact(line[:place] + bytes([byte]) + line[place + 1 :])


@given(st.data())
def test_no_cut_makes_a_line_that_never_had_a_checksum_but_one_that_takes_nothing_else(data: st.DataObject) -> None:
    plain = dumps({"key": "a", "text": 'she said "}'})
    line = sealed(plain)
    start = data.draw(st.integers(0, len(line) - 2))
    end = data.draw(st.integers(start + 1, len(line)))
    cut = line[:start] + line[end:]
    assert intact(cut) is not True
    assert cut == plain or not cut.startswith(b'{"key":"a","text":"') or not cut.endswith(b'"}\n')


def test_line_ends_are_not_part_of_a_line() -> None:
    line = sealed(dumps({"a": 1}))
    assert intact(line[:-1])
    assert intact(line[:-1] + b"\r\n")
    assert intact(dumps({"a": 1})) is None


FIELDS = {"name": "x", "files": {"a": [1, 2]}, "seconds": 1.5, "none": None}


def test_a_document_that_a_secret_was_taken_from_is_whole(tmp_path: Path) -> None:
    write_document(tmp_path / "a.json", {"command": ["--base-url", "http://user:hidden-word-7@host/v1"]})
    found = read_document(tmp_path / "a.json", old=False)
    assert found is not None
    assert "hidden-word-7" not in str(found)


def test_a_document_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_document(tmp_path / "a.json", FIELDS)
    assert read_document(tmp_path / "a.json") == FIELDS


@pytest.mark.parametrize(("old", "new"), [(b"1.5", b"2.5"), (b'"x"', b'"y"'), (b"{", b""), (b"null", b"true")])
def test_a_damaged_document_is_none(tmp_path: Path, old: bytes, new: bytes) -> None:
    path = tmp_path / "a.json"
    write_document(path, FIELDS)
    path.write_bytes(path.read_bytes().replace(old, new, 1))
    assert read_document(path) is None


@pytest.mark.parametrize("content", [b"", b"[]", b"7", b"\xff", b"{"])
def test_what_is_no_json_object_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    assert read_document(tmp_path / "a.json") is None
    assert read_document(tmp_path / "none.json") is None


def test_a_document_of_an_earlier_version_has_no_checksum(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(dumps(FIELDS))
    assert read_document(tmp_path / "a.json") == FIELDS
    assert read_document(tmp_path / "a.json", old=False) is None
