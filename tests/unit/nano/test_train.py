"""All trainings: a failed or stopped one leaves no other running, and each is given its texts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nano import logs, natural, train
from nano.packing import Source
from nano.schedule import TRAININGS, WAVES, Training
from tests.programs import PATIENCE, started, wait_until

ROOT = Path(__file__).parents[3]
STUB = """#!/bin/sh
# what a training does, by its name: -m nano.train OUT --only NAME
case "$5" in
judge-a) while [ ! -s "$3/pid" ]; do sleep 0.02; done; exit 3 ;;
base) kill -9 $$ ;;
annotator) : > "$3/annotator.done" ;;
*) echo $$ > "$3/begun"; mv "$3/begun" "$3/pid"; exec sleep 600 ;;
esac
"""
TRAIN = """
import sys
from pathlib import Path
from nano import train

sys.executable, out = sys.argv.pop(1), sys.argv[1]
train.main()
"""


@pytest.fixture
def stub(tmp_path: Path) -> str:
    path = tmp_path / "stub"
    path.write_text(STUB)
    path.chmod(0o755)
    return str(path)


def is_gone(out: Path) -> bool:
    """Whether the training that wrote its process id has ended."""
    try:
        os.kill(int((out / "pid").read_text()), 0)
    except ProcessLookupError:
        return True
    return False


def test_a_failed_training_ends_those_beside_it(stub: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", stub)
    with pytest.raises(SystemExit) as exit:
        train.side_by_side(["judge-b", "judge-a", "annotator"], tmp_path, 1.0)
    assert exit.value.code == 3
    assert is_gone(tmp_path)
    assert not (tmp_path / "annotator.done").exists()


def test_a_killed_training_is_a_failure(stub: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", stub)
    train.side_by_side(["annotator", "annotator"], tmp_path, 1.0)
    with pytest.raises(SystemExit) as exit:
        train.side_by_side(["annotator", "base"], tmp_path, 1.0)
    assert exit.value.code == 1


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_start_ends_its_trainings_and_logs_that_it_was_stopped(
    how: signal.Signals, stub: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", TRAIN, stub, str(tmp_path)]
    with started(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        wait_until((tmp_path / "pid").exists, process)
        process.send_signal(how)
        process.wait(PATIENCE)
    assert process.returncode != 0
    assert is_gone(tmp_path)
    parts = [(line["part"], line["event"]) for line in logs.read(tmp_path / "train.jsonl")]
    assert parts == [("wave 1", "begin"), ("wave 1", "stopped")]


def test_all_waves_run_in_turn_and_what_is_finished_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second start trains nothing."""
    ran: list[str] = []

    def side_by_side(names: list[str], out: Path, scale: float) -> None:
        for name in names:
            ran.append(name)
            training = train._scaled(TRAININGS[name], scale)
            logs.append(folder(out, name) / "log.jsonl", {"training": vars(training)})
            (out / name / "state.json").write_text(json.dumps({"tokens": training.tokens}))

    monkeypatch.setattr(train, "side_by_side", side_by_side)
    monkeypatch.setattr(natural, "ensure", lambda out, scale: ran.append(f"texts {scale}"))
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["train", str(tmp_path), "--scale", "0.5"])
    train.main()
    names = [[training.name for training in wave] for wave in WAVES]
    assert ran == [*names[0], *names[1], "texts 0.5", *names[2]]
    train.main()
    assert len(ran) == len(TRAININGS) + 1
    events = [line["event"] for line in logs.read(tmp_path / "train.jsonl")]
    assert events == ["begin", "end"] * len(WAVES)


def folder(out: Path, name: str) -> Path:
    (out / name).mkdir(exist_ok=True)
    return out / name


@pytest.mark.parametrize("name", ["solver", "verifier"])
def test_a_training_gets_its_own_texts_and_those_of_the_generator_where_it_should(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[Any] = []
    (tmp_path / "natural.jsonl").write_text('{"concepts": [], "level": "AIME", "completion": "?"}\n')
    monkeypatch.setattr(natural, "ensure", lambda out, scale: called.append(scale))

    def fit(training: Training, out: Path, source: Source) -> None:
        called.append((training.tokens, source(0).prompt))

    monkeypatch.setattr(train, "fit", fit)
    train.one(TRAININGS[name], tmp_path, 0.25)
    [*ensured, (tokens, prompt)] = called
    assert tokens == TRAININGS[name].tokens / 4
    assert ensured == ([0.25] if name == "verifier" else [])
    assert prompt.endswith("Verdict:\n") == (name == "verifier")
