"""The step that selects a set: its output, the dropped rows with reasons, and its summary."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from promptcot.core.columns import Columns
from promptcot.core.selection.settings import Settings
from promptcot.errors import InputError, UsageError
from promptcot.pipeline.execute import run_steps
from promptcot.pipeline.observer import Silent
from promptcot.pipeline.plan import PlannedStep
from promptcot.pipeline.steps_job import StepsJob
from promptcot.pipeline.synchronous import wait_for
from promptcot.records import Drop, Dropped, Item
from promptcot.stages.select import Select, holding, refuse_repeated, select_files
from promptcot.storage.outputs import Output
from promptcot.storage.rows import read_rows
from promptcot.storage.writer import RowWriter

Rows = list[dict[str, Any]]


def problem(name: str, rate: float | None = 0.5, **more: Any) -> dict[str, Any]:
    row = {"id": name, "problem": f"Find {name}.", "level": "AIME", "foundational_concepts": ["a", "b"]}
    return {**row, "label": "4", "agreement": 1.0, "n": 4, "answered": 4, "pass_rate": rate, "model": "x", **more}


def selected(folder: Path, *files: Rows, **asked: Any) -> tuple[Rows, Rows, Select]:
    """The set, what is left out with its `reason`, and the step."""
    with closing(Select.of(folder / "state", **asked)) as step:
        chosen, left = _through(step, files)
    assert len(left) + len(chosen) <= sum(map(len, files))
    return chosen, left, step


def _through(step: Select, files: Sequence[Rows]) -> tuple[Rows, Rows]:
    left: Rows = []
    for step.file, rows in enumerate(files):
        for row in rows:
            found = step.apply(row)
            if isinstance(found, Drop):
                left.append({**row, "reason": found.reason, "raw": list(found.raw)})
            else:
                assert not found, "all are held back"
    chosen: Rows = []
    for one in step.finish():
        if isinstance(one, Dropped):
            left.append({**one.row, "reason": one.drop.reason})
        else:
            chosen.append(one)
    return chosen, left


def ids(rows: Rows) -> list[str]:
    return [row["id"] for row in rows]


def why(rows: Rows) -> dict[str, str]:
    return {row["id"]: row["reason"] for row in rows}


def test_each_row_that_is_left_out_says_why(tmp_path: Path) -> None:
    rows = [
        problem("kept"),
        problem("hard", 0.0),
        problem("easy", 1.0),
        problem("tie", None, label=None, agreement=0.5),
        problem("split", 0.5, agreement=0.5),
        problem("unrated", None, label=None, agreement=None),
        problem("few", 0.5, n=2),
        problem("percent", 50),
        {"pass_rate": 0.5},
        problem("elsewhere", level="AMC12"),
    ]
    chosen, left, _ = selected(tmp_path, rows, pass_rate="0.2:0.8", min_n=4, levels="AIME=1")
    assert ids(chosen) == ["kept"]
    assert chosen[0] == rows[0], "nothing is added to a row"
    assert Counter(row["reason"] for row in left) == {
        "pass rate too low": 1,
        "pass rate too high": 1,
        "answer not agreed": 2,
        "no pass rate": 1,
        "too few traces": 1,
        "unreadable profile": 2,
        "outside the shares": 1,
    }
    assert "divide percentages by 100" in str(left[0]["raw"])


def test_both_bounds_of_the_band_are_kept(tmp_path: Path) -> None:
    rows = [problem(str(rate), rate, n=10) for rate in (0.1, 0.2, 0.5, 0.8, 0.9)]
    assert ids(selected(tmp_path, rows, pass_rate="0.2:0.8")[0]) == ["0.2", "0.5", "0.8"]


def test_easy_first_and_shuffled_do_not_depend_on_the_order_of_the_rows(tmp_path: Path) -> None:
    levels = ["HMMT-Feb", "AMC12", "USAMO", "AIME"]
    rows = [problem(f"p{number}", number % 5 / 4, level=levels[number // 7 % 4]) for number in range(200)]
    for order in ("easy-first", "mixed"):
        asked: dict[str, Any] = {"size": 49, "order": order, "balance": ["concepts", "level"], "seed": 3}
        expected = selected(tmp_path, rows, **asked)[0]
        shuffled = rows[:]
        random.Random(1).shuffle(shuffled)
        assert selected(tmp_path, shuffled, **asked)[0] == expected
        assert ids(expected) != sorted(ids(expected), key=ids(rows).index)


def test_the_same_set_comes_as_it_is_in_the_order_of_the_input(tmp_path: Path) -> None:
    rows = [problem(f"p{number}") for number in range(50)]
    chosen, left, _ = selected(tmp_path, rows, size=20)
    assert ids(chosen) == [name for name in ids(rows) if name in ids(chosen)]
    assert set(why(left).values()) == {"beyond the size"}


def test_profiles_made_again_add_up(tmp_path: Path) -> None:
    again = problem("a", 0.0, n=12, answered=12, agreement=0.75)
    chosen, left, _ = selected(tmp_path, [problem("a", 1.0)], [again], pass_rate="0.2:0.3")
    assert (chosen[0]["pass_rate"], chosen[0]["n"], chosen[0]["model"]) == (0.25, 16, "x")
    assert not left, "both rows are in the set"


def test_a_profile_that_another_file_repeats_counts_and_one_within_a_file_does_not(tmp_path: Path) -> None:
    row = problem("a")
    assert selected(tmp_path, [row], [row])[0][0]["n"] == 8
    chosen, left, _ = selected(tmp_path, [row, row])
    assert chosen == [row]
    assert why(left) == {"a": "repeated row"}


def test_models_stand_side_by_side_and_one_of_them_may_decide(tmp_path: Path) -> None:
    weak = [problem("a", 0.25, model="weak"), problem("b", 0.5, model="weak")]
    strong = [problem("a", 1.0, model="strong"), problem("b", 0.75, model="strong")]
    chosen, left, _ = selected(tmp_path, weak, strong, pass_rate="0:0.3", model="weak")
    assert ids(chosen) == ["a"]
    assert chosen[0]["models"] == {"strong": {"pass_rate": 1.0, "n": 4}, "weak": {"pass_rate": 0.25, "n": 4}}
    assert [row["reason"] for row in left] == ["pass rate too high"] * 2
    assert selected(tmp_path, strong, weak, pass_rate="0:0.3", model="weak")[0] == chosen


def test_a_row_with_several_models_is_read(tmp_path: Path) -> None:
    row = problem("a", 0.5, model=None, models={"x": {"pass_rate": 0.75, "n": 4}, "y": {"pass_rate": 0.25, "n": 4}})
    assert ids(selected(tmp_path, [row], pass_rate="0:0.3", model="y")[0]) == ["a"]
    assert why(selected(tmp_path, [row], pass_rate="0:0.3", model="x")[1]) == {"a": "pass rate too high"}


def test_different_labels_of_one_problem_are_not_agreed(tmp_path: Path) -> None:
    chosen, left, _ = selected(tmp_path, [problem("a")], [problem("a", label="5")], [problem("b", label="0.5")])
    assert ids(chosen) == ["b"]
    assert [row["reason"] for row in left] == ["answer not agreed"] * 2
    assert ids(selected(tmp_path, [problem("a", label="1/2")], [problem("a", label="0.5")])[0]) == ["a"]


def test_one_id_with_two_problems_stops(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"id 'a' is not the same problem in all rows: .Find a.. and .Find more"):
        selected(tmp_path, [problem("a")], [problem("a", problem="Find more.")])


def test_a_profile_without_a_problem_joins_the_row_that_has_it(tmp_path: Path) -> None:
    profile = {name: value for name, value in problem("a", 0.0).items() if name not in ("problem", "level")}
    for files in ([problem("a")], [profile]), ([profile], [problem("a")]):
        [row] = selected(tmp_path, *files, levels="AIME=1", balance="concepts")[0]
        assert (row["problem"], row["level"], row["n"]) == ("Find a.", "AIME", 8)


def test_rows_without_an_id_are_known_by_their_problem(tmp_path: Path) -> None:
    row = {**problem("a"), "id": None}
    assert selected(tmp_path, [row], [{**row, "pass_rate": 1.0}])[0][0]["pass_rate"] == 0.75


def test_a_model_that_nobody_has_stops_and_names_those_that_are_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no row has pass rates of 'z'; models in the rows: x"):
        selected(tmp_path, [problem("a")], model="z")


ODD: list[tuple[str, Any]] = [
    ("level", ["AIME"]),
    ("level", ""),
    ("level", 3),
    ("foundational_concepts", "a, b"),
    ("foundational_concepts", [None, 1, " ", "a", "a"]),
    ("foundational_concepts", [str(number) for number in range(70_000)]),
    ("model", {"name": "x"}),
    ("answered", "many"),
    ("refusals", [1]),
    ("id", {"a": 1}),
    ("id", "\ud800"),
    ("label", 4),
]


@pytest.mark.parametrize(("field", "value"), ODD)
def test_what_is_odd_in_a_row_costs_no_other(tmp_path: Path, field: str, value: Any) -> None:
    odd = {**problem("odd"), field: value}
    chosen, left, _ = selected(tmp_path, [odd, problem("b")], [odd], order="easy-first", balance="concepts", size=2)
    assert len(chosen) == 2
    assert not left
    assert "b" in ids(chosen)


def test_no_row_at_all(tmp_path: Path) -> None:
    chosen, left, step = selected(tmp_path, [])
    assert not chosen
    assert not left
    assert step.summary() == {}


def test_the_summary_has_what_was_there_asked_and_got(tmp_path: Path) -> None:
    rows = [problem(f"p{number}", number % 5 / 4) for number in range(100)]
    _, _, step = selected(tmp_path, rows, pass_rate="0.2:0.8", size=30, difficulty="0-0.5=0.5,0.5-1=0.5")
    told = step.summary()["select"]
    assert told["size"] == {"asked": 30, "got": 30}
    assert told["difficulty"] == [
        {"name": "0-0.5", "asked": 0.5, "got": 15, "there": 20},
        {"name": "0.5-1", "asked": 0.5, "got": 15, "there": 40},
    ]
    assert [span["count"] for span in told["pass_rates"]] == [20, 0, 20, 0, 0, 20, 0, 20, 0, 20]
    assert told["traces"]["interval"] == pytest.approx((0.15, 0.85), abs=0.001)
    assert told["models"] == {"x": 100}
    assert told["nearest_band"] is None


def test_a_band_that_nobody_meets_names_the_nearest_one(tmp_path: Path) -> None:
    rows = [problem("a", 0.0), problem("b", 1 / 3, n=3), problem("c", 1 / 3, n=3), problem("d", 1.0)]
    chosen, _, step = selected(tmp_path, rows, pass_rate="0.4:0.6")
    assert not chosen
    nearest = step.summary()["select"]["nearest_band"]
    assert nearest == {"band": "0.3333:0.6", "problems": 2}
    assert len(selected(tmp_path, rows, pass_rate=nearest["band"])[0]) == 2


def write(path: Path, rows: Rows) -> Path:
    writer = RowWriter(path)
    for row in rows:
        writer.write(row)
    writer.commit()
    return path


def test_rows_of_files_are_counted_and_conserved(tmp_path: Path) -> None:
    first = write(tmp_path / "a.jsonl", [problem("a"), problem("b"), problem("c", 0.0), problem("c", 0.0)])
    second = write(tmp_path / "b.jsonl.zst", [problem("a", 0.25), problem("d", label=None)])
    output = tmp_path / "set.jsonl"
    settings = Settings.of(pass_rate="0.2:0.8")
    with Output(output, "select") as made, holding(output) as folder, closing(Select(folder, settings)) as step:
        select_files([first, second], made, step, Columns())
        assert (folder / "rows.jsonl").exists()
        made.commit()
        counts = made.counts
    assert not (tmp_path / "set.journal").exists(), "what was held back is gone"
    assert (counts.rows_in, counts.rows_out, counts.rows_written) == (6, 3, 2)
    assert counts.dropped == {"pass rate too low": 1, "repeated row": 1, "answer not agreed": 1}
    assert ids(list(read_rows(output))) == ["a", "b"]


def test_a_file_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    first = write(tmp_path / "a.jsonl", [problem("a")])
    copy = write(tmp_path / "copy.jsonl", [problem("a")])
    other = write(tmp_path / "b.jsonl", [problem("b")])
    link = tmp_path / "link.jsonl"
    link.symlink_to(first)
    for again in (first, copy, link):
        with pytest.raises(UsageError, match="would count twice"):
            refuse_repeated([first, other, again])
    refuse_repeated([first, other, tmp_path / "missing.jsonl"])


def test_in_a_line_of_steps_it_gives_its_rows_when_all_have_come(tmp_path: Path) -> None:
    rows = [problem(f"p{number}", number % 5 / 4) for number in range(30)]
    planned = PlannedStep(
        "select", "step", make=lambda folder: Select.of(folder, size=9, order="easy-first"), at_end=True
    )
    job = StepsJob("select", [planned], lambda: (Item(*one) for one in enumerate(rows)), tmp_path / "set.jsonl")
    [counts] = wait_for(run_steps(job, Silent()))
    assert (counts.rows_in, counts.rows_out) == (30, 9)
    assert counts.dropped == {"beyond the size": 21}
    written = list(read_rows(tmp_path / "set.jsonl"))
    assert written == selected(tmp_path, rows, size=9, order="easy-first")[0]
    assert json.loads((tmp_path / "set.summary.json").read_text())["select"]["size"]["got"] == 9
    assert not (tmp_path / "set.journal").exists()
