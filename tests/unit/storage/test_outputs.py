"""One output and the files beside it."""

import json
from pathlib import Path

import pytest

from promptcot.errors import InputError
from promptcot.records import Drop, Failed, Item, Outcome, Row
from promptcot.storage.outputs import Cut, Output
from promptcot.storage.rows import read_rows


def outcome(index: int, result: list[Row] | Drop | Failed | None = None) -> Outcome:
    row = {"id": str(index)}
    return Outcome(Item(index, row), [row] if result is None else result)


def take(output: Output, *outcomes: Outcome) -> None:
    for one in outcomes:
        output.counts.rows_in += 1
        output.take(one)


def ids(path: Path) -> list[str]:
    return [row["id"] for row in read_rows(path, may_be_empty=True)]


def test_each_kind_of_outcome_has_its_file_and_the_books_balance(tmp_path: Path) -> None:
    with Output(tmp_path / "x.jsonl", "x") as output:
        take(output, outcome(0), outcome(1, Drop("unreadable", ["raw text"])), outcome(2, Failed("refused", "no")))
        output.commit({"a": 1})
    assert ids(tmp_path / "x.jsonl") == ["0"]
    assert list(read_rows(tmp_path / "x.dropped.jsonl")) == [{"id": "1", "reason": "unreadable", "raw": ["raw text"]}]
    assert list(read_rows(tmp_path / "x.failed.jsonl")) == [{"id": "2", "cause": "refused", "error": "no"}]
    assert output.counts.balanced
    assert json.loads((tmp_path / "x.recipe.json").read_bytes()) == {"a": 1}
    counts = json.loads((tmp_path / "x.summary.json").read_bytes())["stages"]["x"]
    assert (counts["in"], counts["out"], counts["dropped"], counts["failed"]) == (
        3,
        1,
        {"unreadable": 1},
        {"refused": 1},
    )


def test_details_of_a_drop_stand_in_the_row_that_was_left_out(tmp_path: Path) -> None:
    with Output(tmp_path / "x.jsonl", "x") as output:
        take(output, outcome(0), outcome(1, Drop("near copy", details={"copy_of": "0", "similarity": 0.9})))
        output.commit()
    dropped = list(read_rows(tmp_path / "x.dropped.jsonl"))
    assert dropped == [{"id": "1", "copy_of": "0", "similarity": 0.9, "reason": "near copy"}]
    assert output.counts.dropped == {"near copy": 1}


def test_a_row_that_gives_several_rows_is_counted_once(tmp_path: Path) -> None:
    with Output(tmp_path / "x.jsonl", "x") as output:
        take(output, outcome(0, [{"id": "0", "n": 1}, {"id": "0", "n": 2}]))
        output.commit()
    assert (output.counts.rows_out, output.counts.rows_written) == (1, 2)


def test_without_commit_nothing_appears(tmp_path: Path) -> None:
    with Output(tmp_path / "x.jsonl", "x") as output:
        take(output, outcome(0), outcome(1, Drop("d")))
    assert list(tmp_path.iterdir()) == []


def test_companions_of_an_earlier_run_do_not_stay_behind(tmp_path: Path) -> None:
    for result in (Failed("refused", "no"), None):
        with Output(tmp_path / "x.jsonl", "x") as output:
            take(output, outcome(0, result))
            output.commit()
    assert not (tmp_path / "x.failed.jsonl").exists()


def test_what_lies_beyond_the_target_is_counted_and_in_no_file(tmp_path: Path) -> None:
    cut = Cut()
    with Output(tmp_path / "x.jsonl", "x", cut) as output:
        take(output, *map(outcome, range(5)))
        output.counts.rows_in += 2  # begun and not finished
        cut.settled = cut.last = 2
        output.commit()
    assert ids(tmp_path / "x.jsonl") == ["0", "1", "2"]
    assert output.counts.dropped == {"beyond target": 4}
    assert output.counts.balanced


def test_a_target_that_is_not_reached_cuts_nothing(tmp_path: Path) -> None:
    with Output(tmp_path / "x.jsonl", "x", Cut(settled=1)) as output:
        take(output, *map(outcome, range(5)))
        output.commit()
    assert ids(tmp_path / "x.jsonl") == ["0", "1", "2", "3", "4"]


def test_a_format_that_nobody_reads_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.jsonl"):
        Output(tmp_path / "x.csv", "x")
