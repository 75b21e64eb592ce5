"""`promptcot decontaminate` as a user sees it: what it prints, what it writes, and what stops it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import constants
from numpy.typing import NDArray

import promptcot
from promptcot.cli import main
from promptcot.errors import UsageError

TRAM = "A tram leaves the depot every 12 minutes and needs 50 minutes for its round. How many trams are on the way?"
PRIME = "Find the least prime above 70 that leaves the remainder 3 when it is divided by 8."
OWN = "Two cyclists start at noon from towns that are 90 kilometers apart. When do they meet at 20 and 25 km/h?"


def written(name: str, *rows: dict[str, Any]) -> str:
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return name


def rows_of(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(name).read_text().splitlines()]


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    written("trams.jsonl", {"problem": TRAM, "answer": "5"})
    written("primes.jsonl", {"prompt": PRIME})
    written(
        "set.jsonl", {"id": "a", "problem": OWN}, {"id": "b", "problem": TRAM}, {"id": "c", "problem": f"Hm. {PRIME}"}
    )


def decontaminate(*words: str) -> int:
    return main(["decontaminate", "--data_path", "set.jsonl", "--output_path", "out.jsonl", *words])


@pytest.mark.parametrize(
    "words", [["--against", "trams.jsonl", "primes.jsonl"], ["--against=trams.jsonl", "--against=primes.jsonl"]]
)
def test_problems_of_the_named_files_are_left_out(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert decontaminate(*words) == 0
    assert [row["id"] for row in rows_of("out.jsonl")] == ["a"]
    dropped = {row["id"]: row["contamination"] for row in rows_of("out.dropped.jsonl")}
    assert (dropped["b"]["benchmark"], dropped["b"]["rule"]) == ("trams.jsonl", "same text")
    assert (dropped["c"]["benchmark"], dropped["c"]["rule"]) == ("primes.jsonl", "embedded")
    said = capsys.readouterr().out
    assert "compared with trams.jsonl (1 problem), primes.jsonl (1 problem)" in said
    assert "decontaminate: 3 in = 1 out + 2 dropped (benchmark problem: 2) + 0 failed" in said
    summary = json.loads(Path("out.summary.json").read_bytes())
    assert summary["contamination"]["found"] == {"trams.jsonl": 1, "primes.jsonl": 1}


def test_without_benchmarks_at_hand_it_says_so_and_how_to_come_by_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert decontaminate() == 0
    assert len(rows_of("out.jsonl")) == 3
    said = capsys.readouterr().out
    assert "not decontaminated: no benchmark is available" in said
    assert "hf download openai/gsm8k" in said
    assert json.loads(Path("out.summary.json").read_bytes())["contamination"]["status"] == "not decontaminated"


def test_a_benchmark_that_is_the_set_itself_is_allowed_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert decontaminate("--against", "set.jsonl") == 1  # nothing is left
    assert "set.jsonl is both the input and a benchmark: each of its problems matches itself" in capsys.readouterr().out
    assert len(rows_of("out.dropped.jsonl")) == 3


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--against", "gsm9k"], 1, "did you mean 'gsm8k'"),
        (["--against", "missing.jsonl"], 1, "missing.jsonl: no such file"),
        (["--against", "empty.jsonl"], 1, "empty.jsonl: the file has no rows"),
        (["--against", "."], 1, "is a folder; name the files of problems in it"),
        (["trams.jsonl"], 2, "name what to compare with as --against trams.jsonl"),
        (["--against", "out.jsonl"], 1, "no such file"),
    ],
)
def test_what_cannot_be_compared_with_stops(
    words: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("empty.jsonl").write_text("")
    assert decontaminate(*words) == code
    assert message in capsys.readouterr().err
    assert not Path("out.jsonl").exists()


def test_the_output_replaces_no_benchmark(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["decontaminate", "--data_path", "set.jsonl", "--output_path", "trams.jsonl", "--against", "trams.jsonl"]
    assert main(words) == 2
    assert "would be replaced" in capsys.readouterr().err


def test_the_function_gives_what_the_command_gives() -> None:
    found = promptcot.decontaminate("set.jsonl", against=["trams.jsonl", "primes.jsonl"])
    assert [row["id"] for row in found] == ["a"]
    assert [row["contamination"]["rule"] for row in found.dropped] == ["same text", "embedded"]
    assert found.contamination["status"] == "decontaminated"
    assert len(promptcot.decontaminate([{"problem": TRAM}], against="trams.jsonl").dropped) == 1
    asked = promptcot.decontaminate([{"id": 1, "task": TRAM}], against=Path("trams.jsonl"), columns={"problem": "task"})
    assert not asked.rows


def test_the_function_refuses_what_it_cannot_use() -> None:
    for against in ([], 3, [""]):
        with pytest.raises(UsageError, match="against"):
            promptcot.decontaminate("set.jsonl", against=against)  # type: ignore[arg-type]
    Path("work").mkdir()
    written("work/decontaminate.jsonl", {"problem": TRAM})
    with pytest.raises(UsageError, match="would be replaced"):
        promptcot.decontaminate("set.jsonl", against="work/decontaminate.jsonl", journal="work")
    assert promptcot.decontaminate([], against="trams.jsonl").contamination["found"] == {}


def test_shards_joined_are_the_whole() -> None:
    line = ["decontaminate", "--data_path", "set.jsonl", "--against", "trams.jsonl"]
    for shard in ("1", "2"):
        assert main([*line, "--output_path", f"part.{shard}.jsonl", "--shard", f"{shard}/2"]) in (0, 1)
    assert main(["merge", "joined.jsonl", "part.1.jsonl", "part.2.jsonl"]) == 0
    assert main([*line, "--output_path", "whole.jsonl"]) == 0
    for kind in (".jsonl", ".dropped.jsonl"):
        assert Path(f"joined{kind}").read_bytes() == Path(f"whole{kind}").read_bytes()


class Toy(promptcot.ScriptedEngine):
    """Vectors that count words, whatever their order; as a judge it calls everything the same."""

    def __init__(self) -> None:
        super().__init__(self._same)
        self.embedded = 0

    @staticmethod
    def _same(request: promptcot.Request) -> str:
        own = request.prompt.rpartition("[")[2].partition("]")[0]
        return "\n".join(
            f"[{own}] {line}" for line in ("Same Situation: yes", "Same Question: yes", "Final Verdict: same")
        )

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.embedded += len(texts)
        found = np.zeros((len(texts), 64), np.float32)
        for place, text in enumerate(texts):
            for word in text.lower().split():
                found[place, sum(map(ord, word)) % 64] += 1
        return found


def test_meanings_are_compared_and_confirmed_and_no_call_is_made_twice() -> None:
    turned = " ".join(reversed(TRAM.split()))
    rows = [{"id": "a", "problem": turned}, {"id": "b", "problem": PRIME}, {"id": "c", "problem": " "}]
    how: dict[str, Any] = {"against": "trams.jsonl", "journal": "work"}
    for engine, embedded, asked in ((Toy(), 3, 1), (Toy(), 0, 0)):
        found = promptcot.decontaminate(rows, semantic=engine, confirm=engine, **how)
        assert [row["id"] for row in found] == ["b"]
        assert all("vector" not in row and "suspected" not in row for row in found)
        told = found.dropped[0]["contamination"]
        assert (told["rule"], told["confirmed"], told["share"]) == ("meaning", "same", 1.0)
        assert found.counts.dropped == {"benchmark problem": 1, "no problem text": 1}
        assert (engine.embedded, engine.asked) == (embedded, asked)
    assert len(promptcot.decontaminate(rows, against="trams.jsonl").rows) == 2
    with pytest.raises(UsageError, match="give a model for semantic as well"):
        promptcot.decontaminate(rows, against="trams.jsonl", confirm=Toy())
    assert decontaminate("--against", "trams.jsonl", "--confirm", "m") == 2
