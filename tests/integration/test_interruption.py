"""After `kill -9`, Ctrl-C, a full disk or a second writer, no finished work is lost or repeated."""

import asyncio
import json
import random
import signal
import subprocess
import sys
from collections import Counter
from contextlib import AbstractContextManager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from promptcot.errors import LockedError, StorageError
from promptcot.storage.atomic import locked
from promptcot.storage.rows import read_rows
from promptcot.storage.writer import RowWriter
from tests.fuzz.moments import Moment
from tests.integration import scripted_run
from tests.programs import PATIENCE, started

PROGRAM = Path(__file__).with_name("scripted_run.py")
CONCURRENCY, LATENCY = 16, 0.03
STAGES = ("sample", "generate", "judge-a", "judge-b", "filter")


def start(
    folder: Path, candidates: int, target: int = 0, moment: Moment | None = None
) -> AbstractContextManager[subprocess.Popen[Any]]:
    numbers = map(str, (candidates, target, CONCURRENCY, LATENCY))
    environment = moment.environment(folder, folder.with_suffix(".events")) if moment else None
    return started([sys.executable, str(PROGRAM), str(folder), *numbers], stderr=subprocess.PIPE, env=environment)


def after_calls(count: int, how: signal.Signals = signal.SIGKILL) -> Moment:
    """When so many calls of a start are in the journals."""
    return Moment(count, r"^after write \S+\.journal/calls\.jsonl", how)


def results(folder: Path) -> dict[str, bytes]:
    """All files of rows, byte for byte."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.jsonl"))}


def undisturbed(folder: Path, candidates: int, target: int = 0, concurrency: int = 1) -> dict[str, bytes]:
    asyncio.run(scripted_run.make(folder, candidates, target, concurrency, 0).run({}))
    return results(folder)


def journaled(folder: Path) -> Counter[str]:
    """How often each call stands in the journals."""
    keys: Counter[str] = Counter()
    for calls in folder.glob("*.journal/calls.jsonl"):
        keys.update(json.loads(line)["key"] for line in calls.read_bytes().splitlines())
    return keys


@pytest.mark.parametrize(("candidates", "target", "calls"), [(1000, 0, 1500), (5000, 100, 300)])
def test_killed_at_ten_random_moments_and_resumed(tmp_path: Path, candidates: int, target: int, calls: int) -> None:
    moments = [0, *sorted(random.Random(candidates).sample(range(1, calls), 10))]
    for before, moment in pairwise(moments):
        (tmp_path / "killed.events").unlink(missing_ok=True)
        with start(tmp_path / "killed", candidates, target, after_calls(moment - before)) as process:
            process.communicate(timeout=PATIENCE)
        assert process.returncode == -signal.SIGKILL
        assert sum(journaled(tmp_path / "killed").values()) == moment
        assert results(tmp_path / "killed") == {}
    with start(tmp_path / "killed", candidates, target) as last:
        _, errors = last.communicate(timeout=PATIENCE)
    assert (last.returncode, errors) == (0, b"")
    assert results(tmp_path / "killed") == undisturbed(tmp_path / "calm", candidates, target)
    assert max(journaled(tmp_path / "killed").values()) == 1


def test_a_target_gives_the_same_files_whatever_the_concurrency(tmp_path: Path) -> None:
    one = undisturbed(tmp_path / "1", 5000, 50, concurrency=1)
    many = undisturbed(tmp_path / "64", 5000, 50, concurrency=64)
    assert one == many
    assert len(one["filter.jsonl"].splitlines()) == 50


@pytest.mark.parametrize("target", [0, 50])
def test_every_row_has_one_fate_in_every_stage(tmp_path: Path, target: int) -> None:
    undisturbed(tmp_path, 300, target, concurrency=32)

    def ids(*names: str) -> list[str]:
        return sorted(
            row["id"]
            for name in names
            for row in read_rows(tmp_path / name, may_be_empty=True)
            if (tmp_path / name).exists()
        )

    def fates(stage: str) -> list[str]:
        kinds = [f"{stage}.jsonl", f"{stage}.dropped.jsonl", f"{stage}.failed.jsonl"]
        return ids(*(name for name in kinds if (tmp_path / name).exists()))

    assert ids("sample.jsonl") == fates("generate")
    assert ids("generate.jsonl") == fates("judge-a") == fates("judge-b") == fates("filter")
    stages = json.loads((tmp_path / "summary.json").read_bytes())["stages"]
    for counts in stages.values():
        assert counts["in"] == counts["out"] + sum(counts["dropped"].values()) + sum(counts["failed"].values())
    assert {"refused"} == set(stages["generate"]["failed"])


def test_ctrl_c_stops_cleanly_and_the_next_run_goes_on(tmp_path: Path) -> None:
    with start(tmp_path / "x", 1200, moment=after_calls(100, signal.SIGINT)) as process:
        process.communicate(timeout=PATIENCE)
    assert process.returncode != 0
    assert list((tmp_path / "x").glob("*.partial")) == []
    with start(tmp_path / "x", 1200) as again:
        again.communicate(timeout=PATIENCE)
    assert results(tmp_path / "x") == undisturbed(tmp_path / "calm", 1200)
    assert max(journaled(tmp_path / "x").values()) == 1


def test_a_larger_run_reuses_what_a_smaller_one_finished(tmp_path: Path) -> None:
    undisturbed(tmp_path, 100)
    run = scripted_run.make(tmp_path, 200, 0, 8, 0)
    asyncio.run(run.run({}))
    assert run.counts["judge-a"].reused == sum(
        1 for row in read_rows(tmp_path / "judge-a.jsonl") if row["id"] <= "000100"
    )
    assert max(journaled(tmp_path).values()) == 1


def test_a_second_run_on_the_same_directory_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    with locked(tmp_path / "lock"), pytest.raises(LockedError, match="another process"):
        undisturbed(tmp_path, 10)
    undisturbed(tmp_path, 10)


def test_a_full_disk_stops_the_run_and_it_goes_on_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = 0
    real = RowWriter.write

    def full(writer: RowWriter, row: dict[str, object]) -> None:
        nonlocal written
        written += 1
        if written > 400:
            raise StorageError(f"{writer.path}: cannot be written (No space left on device)")
        real(writer, row)

    monkeypatch.setattr(RowWriter, "write", full)
    with pytest.raises(StorageError, match="No space left"):
        undisturbed(tmp_path / "x", 300)
    monkeypatch.undo()
    assert results(tmp_path / "x") == {}
    assert undisturbed(tmp_path / "x", 300) == undisturbed(tmp_path / "calm", 300)
    assert max(journaled(tmp_path / "x").values()) == 1
