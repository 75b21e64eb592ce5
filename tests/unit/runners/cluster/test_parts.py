"""Parts of a pass: what goes in comes out, in order, whatever lies between."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from pyarrow import parquet

from promptcot.records import Drop, Failed, Item, Outcome, Row
from promptcot.runners.cluster.board import limit, show
from promptcot.runners.cluster.parts import Calls, Counts, Parts, Result, id_of, pack
from promptcot.storage.counts import StageCounts
from promptcot.storage.json import dumps
from promptcot.storage.remote import Folder


def outcome(index: int, result: Result) -> Outcome:
    return Outcome(Item(index, {"id": str(index)}), result)


def write(folder: Path, name: str, outcomes: list[Outcome], counts: Counts | None = None) -> None:
    (folder / "parts").mkdir(exist_ok=True)
    ids = [id_of(one.item.index, dumps(one.item.row)) for one in outcomes]
    parquet.write_table(pack(outcomes, ids, counts or Counts()), folder / "parts" / f"{name}.parquet")


def test_outcomes_of_each_kind_come_back_as_they_were(tmp_path: Path) -> None:
    row: Row = {"id": "0", "text": "a\ud800", "number": 2**70, "nested": [{"x": None}]}
    results: list[Result] = [[row, row], Drop("empty", ("raw",), "stop"), Drop("why"), Failed("http 500", "words"), []]
    outcomes = [outcome(index, result) for index, result in enumerate(results)]
    write(tmp_path, "a", outcomes)
    found = [done.outcome(one.item) for done, one in zip(Parts(Folder.at(tmp_path)).in_order(), outcomes, strict=True)]
    assert found == outcomes


def test_parts_that_overlap_are_merged_by_position(tmp_path: Path) -> None:
    for name, indices in (("a", [4, 6, 9]), ("b", [0, 1, 5]), ("c", [2, 3, 7, 8]), ("d", [10])):
        write(tmp_path, name, [outcome(index, []) for index in indices])
    assert [done.position for done in Parts(Folder.at(tmp_path)).in_order()] == list(range(11))


def test_a_row_that_failed_and_was_asked_again_counts_as_it_came_out_then(tmp_path: Path) -> None:
    write(tmp_path, "a", [outcome(0, []), outcome(1, Failed("http 500", "away")), outcome(2, [])])
    write(tmp_path, "b", [outcome(1, [{"id": "1"}])])
    parts = Parts(Folder.at(tmp_path))
    assert len(parts.ids(["a.parquet"])) == 2
    assert len(parts.ids(parts.names())) == 3
    assert [(done.position, done.kind) for done in parts.in_order()] == [(0, 0), (1, 0), (1, 2), (2, 0)]


def test_a_part_that_was_being_written_when_its_writer_was_lost_does_not_count(tmp_path: Path) -> None:
    write(tmp_path, "life_000000", [outcome(0, [])])
    (tmp_path / "parts" / "life_000001.parquet").write_bytes(b"torn")
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / "life_000001.pending.parquet").write_bytes(b"")
    parts = Parts(Folder.at(tmp_path))
    assert parts.names() == ["life_000000.parquet"]
    assert parts.ids(parts.names()).dtype == np.int64


def test_the_counts_of_a_block_are_added_to_a_tally(tmp_path: Path) -> None:
    write(tmp_path, "a", [outcome(0, []), outcome(1, [])], Counts(3, 1, 20, 10, Counter({"http 429": 2})))
    tally = StageCounts("x", calls=1)
    for counts in Parts(Folder.at(tmp_path)).counts(["a.parquet"]):
        counts.add_to(tally)
    assert (tally.calls, tally.reused, tally.prompt_tokens, tally.completion_tokens) == (4, 1, 20, 10)
    assert tally.asked_again == {"http 429": 2}


def test_a_row_is_known_by_its_position_and_its_content() -> None:
    assert id_of(1, b"a") != id_of(2, b"a") != id_of(2, b"b")
    assert 0 <= id_of(0, b"") < 2**63


def test_the_calls_of_a_block_are_found_attempt_by_attempt(tmp_path: Path) -> None:
    calls = Calls(Folder.at(tmp_path))
    assert calls.of_block(7) == []
    calls.add(7, 0, [b"a\n", b"b\n"])
    calls.add(7, 1, [b"c\n"])
    calls.add(7, 2, [])
    assert b"".join(map(calls.read, calls.of_block(7))) == b"a\nb\nc\n"
    assert calls.names() == calls.of_block(7)


def test_what_limits_the_rate_is_said_in_one_line() -> None:
    busy = {"blocks": 2, "finished": 5}
    assert limit({"a": busy}, 2, 2, 5, "1 waits") == "limit: workers still starting, 1 of 2 are ready; 1 waits"
    assert limit({"a": busy, "b": busy}, 2, 2, 10).startswith("limit: engine, 2 workers have 4 blocks")
    assert limit({"a": busy, "b": {"blocks": 0, "finished": 9}}, 2, 2, 3).startswith("limit: output, 11 finished")
    assert limit({"a": {"blocks": 0, "finished": 5}}, 1, 2, 5).startswith("limit: input, 0 blocks")


def test_a_tally_shows_the_sum_of_what_workers_tell() -> None:
    tally = StageCounts("x")
    show({"a": {"rows_out": 3, "failed": 1, "calls": 5}, "b": {"rows_out": 4, "calls": 4}}, tally)
    assert (tally.rows_out, tally.calls, tally.failed.total(), tally.rows_done) == (7, 9, 1, 8)
