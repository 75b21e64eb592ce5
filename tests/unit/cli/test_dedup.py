"""`promptcot dedup` and `promptcot.dedup` as a user sees them: what is printed, written, and what stops them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import promptcot
from promptcot.cli import main
from promptcot.engines.scripted import ScriptedEngine
from promptcot.records import Completion
from promptcot.storage.rows import read_rows

SUM = r"Find the sum of all positive integers $n$ such that $n^2 + 19n + 92$ is a perfect square."
ADA = "Ada has 12 apples and gives 3 of them to Bela. How many apples does she have left?"
ROWS = [
    {"id": "b", "problem": SUM},
    {"id": "a", "problem": SUM.replace("$", "").replace("^2", "²")},
    {"id": "c", "problem": ADA},
    {"id": "d", "problem": ADA.replace("12", "15").replace("3", "4")},
    {"id": "e", "problem": f"A train runs 60 km an hour. How far is it after 5 hours? {ADA}"},
    {"id": "f", "problem": " "},
]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("set.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))


def dedup(*words: str) -> int:
    return main(["dedup", "--data_path", "set.jsonl", "--output_path", "out.jsonl", *words])


def test_copies_are_left_out_with_the_row_that_stays(capsys: pytest.CaptureFixture[str]) -> None:
    assert dedup() == 0
    assert [row["id"] for row in read_rows("out.jsonl")] == ["a", "c", "d"]
    left = {row["id"]: (row["reason"], row.get("copy_of"), row.get("rule")) for row in read_rows("out.dropped.jsonl")}
    assert left == {
        "b": ("exact copy", "a", "exact"),
        "e": ("embedded copy", "c", "containment"),
        "f": ("no problem text", None, None),
    }
    said = capsys.readouterr().out
    assert "copies by rule: containment 1, exact 1" in said
    assert "identical except for numbers: 1 of 6 rows (16.7%), kept; --mask-numbers treats them as copies" in said
    assert "dedup: 6 in = 3 out + 3 dropped" in said
    assert json.loads(Path("out.summary.json").read_bytes())["copies"]["alike_but_for_numbers"] == 1
    assert sorted(path.name for path in Path().iterdir()) == [
        *("out.dropped.jsonl", "out.jsonl", "out.recipe.json", "out.summary.json", "set.jsonl")
    ]


def test_numbers_may_be_masked(capsys: pytest.CaptureFixture[str]) -> None:
    assert dedup("--mask-numbers") == 0
    assert [row["id"] for row in read_rows("out.jsonl")] == ["a", "c"]
    assert "(16.7%), dropped as copies" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--near", "1.5"], "--near"),
        (["--semantic-near", "-1"], "--semantic-near"),
        (["--semantic", "no/such-model"], "no such model folder"),
        (["--columns", "problem=text"], "text"),
    ],
)
def test_a_mistake_is_named(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert dedup(*words) in (1, 2)
    assert said in capsys.readouterr().err
    assert not Path("out.jsonl").exists()


def test_traces_of_a_problem_are_not_taken_for_copies_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    """They are paid for; whoever gives them has the order of the verbs wrong."""
    traces = [{"id": "a", "problem": ADA, "sample": sample, "completion": "9"} for sample in range(2)]
    Path("set.jsonl").write_text("".join(json.dumps(row) + "\n" for row in traces))
    assert dedup() == 1
    assert "set.jsonl, row 1: this is a trace" in capsys.readouterr().err
    assert not Path("out.jsonl").exists()
    with pytest.raises(promptcot.InputError, match="before `solve`"):
        promptcot.dedup(traces)


class Sameness(ScriptedEngine):
    """Problems on one subject have one vector."""

    async def embed(self, texts):  # type: ignore[no-untyped-def]
        return np.array([[1.0, "apple" in text, "sum" in text] for text in texts], np.float32)


def test_the_function_gives_what_the_command_writes_and_may_compare_meanings() -> None:
    plain = promptcot.dedup(ROWS)
    assert [row["id"] for row in plain] == ["a", "c", "d"]
    assert plain.counts.dropped == {"exact copy": 1, "embedded copy": 1, "no problem text": 1}
    also = [*ROWS, {"id": "g", "problem": "Of 12 apples Ada keeps all but 3. What is their number?"}]
    engine = Sameness(lambda request: Completion(""))
    meant = promptcot.dedup(also, semantic=engine, semantic_near=0.99)
    assert [row["id"] for row in meant] == ["a", "c", "d"]
    assert [(row["reason"], row["copy_of"]) for row in meant.dropped if row["id"] == "g"] == [("semantic copy", "c")]
    assert not any("problem_vector" in row for row in [*meant.rows, *meant.dropped])


def test_a_wrong_argument_is_named() -> None:
    with pytest.raises(promptcot.UsageError, match="near"):
        promptcot.dedup(ROWS, near=2)
