"""The index of a run: what it has, what renews it, and what becomes of a damaged one."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import threading
from pathlib import Path

import pytest

from promptcot.core.history import assemble
from promptcot.inspection.files import RunFiles
from promptcot.inspection.finding import find
from promptcot.storage.reviews import Review, append
from promptcot.viewer.index import FOLDER, Hooks, Index, folder_for
from promptcot.viewer.queries import Filter
from promptcot.viewer.shelf import Shelf
from tests.viewing import problem, write, write_run


def brought(run: Path, hooks: Hooks | None = None) -> tuple[Index, bool]:
    index = Index(run, folder_for(run), hooks or Hooks())
    return index, index.bring_up_to_date(RunFiles.of(run))


def entries(index: Index) -> dict[str, tuple[object, ...]]:
    connection = index.reader()
    found = {row[1]: row[:12] for row in connection.execute("SELECT * FROM problem")}
    connection.close()
    return found


def test_a_problem_is_listed_with_what_its_page_says(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    listed = entries(brought(run)[0])
    assert len(listed) == 10
    assert listed["p1"][2:] == ("AIME", "perfect", "a: perfect", "", 0.1, 0.5, 8, "in the set", "", "1")
    assert listed["p0"][9:] == ("dropped", "label: unlabelled: tie", "")
    assert listed["p4"][3:] == ("bad", "a: bad", "", -1.0, -1.0, -1, "dropped", "filter: bad", "")


def test_the_history_is_that_of_one_pass_over_the_files(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    write(run / "solve.jsonl", [{**problem(1), "sample": n, "completion": f"\\boxed{{{n}}}"} for n in range(3)])
    (run / "summary.json").write_text(json.dumps({"stages": {name: {} for name in ("generate", "solve", "label")}}))
    shelf, files = Shelf(run), RunFiles.of(run)
    with shelf.reading() as lists:
        for row_id in ("p0", "p1", "p4"):
            number = lists.number_of(row_id)
            assert number is not None
            assert shelf.history(number, row_id) == assemble(row_id, find(files, [row_id])[row_id])
    shelf.close()


def test_nothing_is_done_where_no_file_changed(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    assert brought(run)[1]
    assert not brought(run)[1]


def test_of_a_file_that_grew_only_the_new_part_is_read(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    brought(run)
    size = (run / "generate.jsonl").stat().st_size
    write(run / "generate.jsonl", [problem(77)], "a")
    read: list[int] = []
    index, _ = brought(run, Hooks(read=lambda done, _: read.append(done)))
    assert read[-1] == (run / "generate.jsonl").stat().st_size - size
    assert entries(index)["p77"][9] == "under way"


def test_a_torn_last_line_is_read_when_it_is_whole(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    line = json.dumps(problem(77)) + "\n"
    with (run / "generate.jsonl").open("a") as file:
        file.write(line[:30])
    index, _ = brought(run)
    assert "p77" not in entries(index)
    with (run / "generate.jsonl").open("a") as file:
        file.write(line[30:])
    assert "p77" in entries(brought(run)[0])


@pytest.mark.parametrize("in_place", [True, False])
def test_a_file_that_was_written_anew_replaces_what_it_said(tmp_path: Path, in_place: bool) -> None:
    run = write_run(tmp_path / "run")
    brought(run)
    rows = [problem(n, level="Putnam") for n in range(30)]
    if in_place:
        write(run / "generate.jsonl", rows)
    else:
        write(run / "other", rows)
        os.replace(run / "other", run / "generate.jsonl")
    write(run / "filter.dropped.jsonl", [])
    listed = entries(brought(run)[0])
    assert len(listed) == 30
    assert listed["p29"][2] == "Putnam"
    assert listed["p4"][9:11] == ("under way", "")


def test_what_stood_in_a_file_that_is_gone_is_forgotten(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    brought(run)
    for name in ("generate", "judge-a", "filter.dropped", "filter"):
        (run / f"{name}.jsonl").unlink()
    listed = entries(brought(run)[0])
    assert len(listed) == 8
    assert "p4" not in listed
    assert listed["p1"][3] == ""


def test_a_run_that_is_renamed_file_by_file_is_not_read_again(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    (run / "summary.json").rename(run / "later")
    (run / "set.jsonl").unlink()
    (run / "label.jsonl").rename(run / "label.jsonl.partial")
    index, _ = brought(run)
    assert entries(index)["p1"][9] == "under way"
    (run / "label.jsonl.partial").rename(run / "label.jsonl")
    (run / "later").rename(run / "summary.json")
    read: list[int] = []
    index, did = brought(run, Hooks(read=lambda done, _: read.append(done)))
    assert (did, read) == (True, [])
    assert entries(index)["p1"][9] == "in the set"  # the last step of a run that ended


DAMAGES = {
    "no database": lambda path: path.write_bytes(b"no database at all" * 1000),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "zeros inside": lambda path: path.write_bytes(path.read_bytes()[:8192] + bytes(path.stat().st_size - 8192)),
    "of another format": lambda path: sqlite3.connect(path, isolation_level=None).execute("PRAGMA user_version = 99"),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_index_is_built_again(tmp_path: Path, damage: str) -> None:
    run = write_run(tmp_path / "run", 200)
    index, _ = brought(run)
    DAMAGES[damage](index.path)
    shelf = Shelf(run)
    try:
        with shelf.reading() as lists:
            found = len(lists.page(Filter(), most=1000))
    except sqlite3.DatabaseError:  # what the application does then
        shelf.rebuild()
        with shelf.reading() as lists:
            found = len(lists.page(Filter(), most=1000))
    assert found == 200
    shelf.close()


def test_what_is_half_built_is_no_index(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")

    class Stop(Exception):
        pass

    def stop(done: int, of: int) -> None:
        raise Stop

    with pytest.raises(Stop):
        brought(run, Hooks(indexed=stop))
    assert not (run / FOLDER / "index.sqlite").exists()
    assert len(entries(brought(run)[0])) == 10


def test_of_two_that_start_at_once_one_builds(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", 500)
    waited, did, gate = [], [], threading.Barrier(2)

    def view() -> None:
        gate.wait()
        did.append(brought(run, Hooks(waiting=lambda: waited.append(1)))[1])

    threads = [threading.Thread(target=view) for _ in range(2)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert sorted(did) == [False, True] or waited == []
    assert len(entries(Index(run, folder_for(run)))) == 500


def test_where_the_directory_cannot_be_written_the_index_lies_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_run(tmp_path / "run")
    (run / FOLDER).write_text("a file where the folder would be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    index, _ = brought(run)
    assert index.folder.is_relative_to(tmp_path / "cache")
    assert len(entries(index)) == 10


def test_rows_that_cannot_be_read_and_odd_ids_stop_nothing(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    odd = ['{"id":"torn', "[1, 2]", "null", '{"id":null}', '{"id": 7, "problem": "Seven?"}', "", '{"problem":"no id"}']
    odd += ['{"id":"\\ud800 \\u0000","problem":"\\ud800"}', '{"id":"x","level":{"a":1},"foundational_concepts":5}']
    with (run / "generate.jsonl").open("a") as file:
        file.write("\n".join(odd) + "\n")
    listed = entries(brought(run)[0])
    assert {"7", "x"} <= set(listed)


def test_a_copy_of_a_run_is_read_as_it_is(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    brought(run)
    shutil.copytree(run, tmp_path / "copy")
    write(tmp_path / "copy" / "generate.jsonl", [problem(1)])
    listed = entries(brought(tmp_path / "copy")[0])
    assert len(listed) == 10


def test_a_file_that_is_changed_inside_without_growing_is_read_again(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", 100)
    brought(run)
    path = run / "label.jsonl"
    content = path.read_bytes()
    at = content.index(b'"answer":"47"')
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b'"answer":"74"')
    os.utime(path, ns=(0, 0))  # whatever the resolution of times
    (run / "set.jsonl").unlink()
    assert path.stat().st_size == len(content)
    listed = entries(brought(run)[0])
    assert [row[11] for row in listed.values()].count("74") == 2


def test_when_a_run_ends_the_order_of_its_summary_decides_where_problems_ended(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    summary = json.loads((run / "summary.json").read_bytes())
    (run / "summary.json").unlink()
    write(run / "own.jsonl", [problem(4)])  # without a summary, a step of the user's own is the last
    index, _ = brought(run)
    assert entries(index)["p4"][9] == "under way"
    names = ["generate", "own", *(name for name in summary["stages"] if name != "generate")]
    (run / "summary.json").write_text(json.dumps({**summary, "stages": {name: {} for name in names}}))
    index, _ = brought(run)
    assert entries(index)["p4"][9:11] == ("dropped", "filter: bad")


def test_counts_are_right_after_a_kill_between_the_rows_and_the_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_run(tmp_path / "run")
    brought(run)
    write(run / "generate.jsonl", [problem(77)], "a")
    with monkeypatch.context() as patched:
        patched.setattr("promptcot.viewer.index.count_values", lambda index: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            brought(run)
    shelf = Shelf(run)
    with shelf.reading() as lists:
        assert lists.total() == len(lists.page(Filter(), most=100)) == 11
    shelf.close()


def test_a_failed_build_leaves_no_partial_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_run(tmp_path / "run")
    monkeypatch.setattr("promptcot.viewer.index.count_values", lambda index: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        brought(run)
    assert [path.name for path in (run / FOLDER).iterdir()] == ["lock"]


def test_an_open_view_notices_that_the_index_was_deleted_or_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("promptcot.viewer.shelf._LOOK_AGAIN", 0)
    monkeypatch.setattr("promptcot.viewer.shelf._PATIENCE", 60)
    run = write_run(tmp_path / "run")
    first = Shelf(run)
    for deleted in (False, True):
        shutil.rmtree(run / FOLDER)
        write(run / "generate.jsonl", [problem(70 + deleted)], "a")
        if not deleted:
            Shelf(run).close()  # another process builds it anew
        first.look_again()
        with first.reading() as lists:
            assert lists.number_of(f"p{70 + deleted}") is not None
        assert first.trouble is None
    first.close()


def test_a_review_of_a_problem_that_another_process_indexes_later_is_shown(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    append(run, Review("p77", "reject", None, "ada", ""))
    first = Shelf(run)
    with first.reading() as lists:
        assert lists.page(Filter.of({"review": "rejected"})) == []
    write(run / "generate.jsonl", [problem(77)], "a")
    Shelf(run).close()
    with first.reading() as lists:
        assert [one.id for one in lists.page(Filter.of({"review": "rejected"}))] == ["p77"]
    first.close()


def test_batches_are_bounded_by_the_length_of_their_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptcot.viewer.entries._BATCH_BYTES", 1000)
    indexed: list[int] = []
    index, _ = brought(write_run(tmp_path / "run", 30), Hooks(indexed=lambda done, _: indexed.append(done)))
    assert len(indexed) > 5
    assert indexed[-1] == len(entries(index)) == 30
