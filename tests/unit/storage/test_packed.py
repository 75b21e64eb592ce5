"""Texts in one file, by their numbers."""

from pathlib import Path

import pytest

from promptcot.errors import StorageError
from promptcot.storage.packed import Packed


def test_texts_are_found_by_their_numbers_in_any_order(tmp_path: Path) -> None:
    packed = Packed(tmp_path / "new" / "texts")
    texts = ["", "eins", "数学", "\ud800", "x" * 100_000, "\n\x1f"]
    packed.add(texts[:2])
    packed.add(texts[2:])
    assert [packed[place] for place in (5, 0, 4, 1, 3, 2)] == [texts[place] for place in (5, 0, 4, 1, 3, 2)]
    assert len(packed) == 6
    packed.close()


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        Packed(tmp_path / "file" / "texts")
