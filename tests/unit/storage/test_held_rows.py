"""Rows that are held back in a file."""

from __future__ import annotations

from pathlib import Path

from promptcot.storage.held_rows import HeldRows


def test_rows_are_read_by_number_while_more_are_added(tmp_path: Path) -> None:
    held = HeldRows(tmp_path / "state")
    held.add({"id": "a", "x": float("nan"), "y": "\ud800"})
    held.add({"id": "b\n"})
    assert held[1] == {"id": "b\n"}
    held.add({"id": "c"})
    assert [held[number]["id"] for number in range(len(held))] == ["a", "b\n", "c"]
    assert held[0]["x"] != held[0]["x"]
    assert held[0]["y"] == "\ud800"
    held.close()
    assert not list((tmp_path / "state").iterdir())
