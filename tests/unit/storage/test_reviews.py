"""`reviews.jsonl`: the latest decision counts, whatever else lies in the file and however many write it."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from promptcot.errors import StorageError
from promptcot.storage.reviews import (
    LONGEST_NOTE,
    REVIEWS,
    Decision,
    Review,
    append,
    join,
    read,
    rejected_beside,
    reviews_in,
)


def review(name: str, decision: Decision | None = "reject", note: str | None = None, at: str = "2026-01-01") -> Review:
    return Review(name, decision, note, "me", at)


def test_there_are_none_without_a_file(tmp_path: Path) -> None:
    assert read(tmp_path) == {}
    assert read(tmp_path / "nothing") == {}


def test_the_latest_decision_counts_and_a_note_changes_none(tmp_path: Path) -> None:
    for one in (review("a"), review("b"), review("b", "accept"), review("a", None, "hm"), review("c", None, "x")):
        append(tmp_path, one)
    assert {name: one.decision for name, one in read(tmp_path).items()} == {"a": "reject", "b": "accept", "c": None}
    assert read(tmp_path)["a"].note == "hm"
    assert reviews_in(tmp_path).rejected == {"a"}


def test_a_note_does_not_change_who_decided_and_when(tmp_path: Path) -> None:
    append(tmp_path, Review("a", "reject", None, "ada", "2026-01-01"))
    append(tmp_path, Review("a", None, "why?", "bob", "2026-01-02"))
    assert read(tmp_path)["a"] == Review("a", "reject", "why?", "ada", "2026-01-01")


def test_a_note_is_data_and_is_cut(tmp_path: Path) -> None:
    note = '<script>alert(1)</script>\n"quoted" \u202e\x1b[31m' + "x" * LONGEST_NOTE
    append(tmp_path, review("a", note=note))
    assert read(tmp_path)["a"].note == note[:LONGEST_NOTE]
    assert (tmp_path / REVIEWS).read_bytes().count(b"\n") == 1


DAMAGED = {
    "torn": b'{"id": "b", "decis',
    "no object": b"[1, 2]",
    "no id": b'{"decision": "reject"}',
    "an id that is no text": b'{"id": 3, "decision": "reject"}',
    "a decision that there is not": b'{"id": "a", "decision": "maybe"}',
    "neither decision nor note": b'{"id": "a"}',
    "bytes that are no text": b"\xff\xfe\x00",
    "zeros": b"\0" * 64,
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_line_is_skipped_and_counted(tmp_path: Path, name: str) -> None:
    append(tmp_path, review("a"))
    with (tmp_path / REVIEWS).open("ab") as file:
        file.write(DAMAGED[name])
    append(tmp_path, review("c"))
    found = reviews_in(tmp_path)
    assert (found.rejected, found.damaged) == ({"a", "c"}, 1)


def _write(directory: Path, reviewer: int) -> None:
    for number in range(50):
        append(directory, Review(f"{reviewer}-{number}", "reject", "n" * 500, str(reviewer), ""))


def test_two_processes_write_at_once_and_no_line_is_lost(tmp_path: Path) -> None:
    started = [multiprocessing.get_context("spawn").Process(target=_write, args=(tmp_path, one)) for one in range(2)]
    for process in started:
        process.start()
    for process in started:
        process.join()
    assert len(reviews_in(tmp_path).rejected) == 100
    assert reviews_in(tmp_path).damaged == 0


def test_reviews_of_several_directories_are_joined_in_the_order_of_their_times(tmp_path: Path) -> None:
    one, other, both = (tmp_path / name for name in ("one", "other", "both"))
    one.mkdir()
    other.mkdir()
    append(one, review("a", "reject", at="2026-01-02"))
    append(one, review("b", "reject", at="2026-01-01"))
    append(other, review("b", "accept", at="2026-01-03"))
    for _ in range(2):  # the second time, all of them are there
        join(both, [one, other])
        assert [json.loads(line)["at"] for line in (both / REVIEWS).read_text().splitlines()] == [
            "2026-01-01",
            "2026-01-02",
            "2026-01-03",
        ]
    assert reviews_in(both).rejected == {"a"}


def test_an_older_decision_that_is_joined_later_does_not_override_a_newer_one(tmp_path: Path) -> None:
    for name in ("both", "one"):
        (tmp_path / name).mkdir()
    append(tmp_path / "both", review("a", "reject", at="2026-01-01T09:00:00+00:00"))
    append(tmp_path / "one", review("a", "accept", at="2026-01-01T09:30:00+02:00"))  # 07:30 in UTC
    append(tmp_path / "one", review("b", "accept", at="2026-01-01T09:00:00Z"))
    for _ in range(2):
        join(tmp_path / "both", [tmp_path / "one"])
        assert {name: one.decision for name, one in read(tmp_path / "both").items()} == {"a": "reject", "b": "accept"}
        assert len(reviews_in(tmp_path / "both").lines) == 4


def test_a_decision_that_is_taken_back_within_a_second_is_joined_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    for decision in ("reject", "accept", "reject"):
        append(tmp_path / "one", review("a", decision))  # type: ignore[arg-type]
    for _ in range(2):
        join(tmp_path / "both", [tmp_path / "one"])
        assert [one.decision for one in reviews_in(tmp_path / "both").lines] == ["reject", "accept", "reject"]


def test_damaged_lines_of_what_is_joined_are_counted(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    append(tmp_path / "one", review("a"))
    (tmp_path / "two" / REVIEWS).write_bytes(b'{"id": "b", "decis\n{}\n')
    assert join(tmp_path / "both", [tmp_path / "one", tmp_path / "two"]) == 2
    assert reviews_in(tmp_path / "both").rejected == {"a"}


def test_nothing_is_joined_where_nothing_was_reviewed(tmp_path: Path) -> None:
    join(tmp_path / "new", [tmp_path])
    assert not (tmp_path / "new").exists()


def test_they_lie_in_a_directory_or_beside_a_file_and_never_at_an_address(tmp_path: Path) -> None:
    append(tmp_path, review("a"))
    assert rejected_beside([tmp_path / "label.jsonl", tmp_path]) == {"a"}
    assert rejected_beside([Path("s3://bucket/label.jsonl")]) == frozenset()


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / REVIEWS)
    with pytest.raises(StorageError, match=r"reviews\.jsonl"):
        reviews_in(tmp_path)


def test_a_review_that_cannot_be_stored_says_so(tmp_path: Path) -> None:
    (tmp_path / REVIEWS).symlink_to("/dev/full")
    with pytest.raises(StorageError, match=r"reviews\.jsonl: the review cannot be stored .* free some space"):
        append(tmp_path, review("a"))


def test_the_directory_of_a_run_that_was_deleted_is_not_created_again(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be stored"):
        append(tmp_path / "deleted", review("a"))
    assert not (tmp_path / "deleted").exists()
