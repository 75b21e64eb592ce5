"""What a worker keeps of a block, and when it takes bad rows for a bad model."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("ray")

from promptcot.errors import SystematicFailure
from promptcot.runners.cluster.worker import Carried, Worker, _SharedHealth
from tests.programs import PATIENCE, comes_true


class SlowCalls:
    """Takes a while to write, as a file system that is shared does: until it may go on."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []
        self.writing, self.may_go_on = threading.Event(), threading.Event()

    def add(self, first: int, attempt: int, lines: list[bytes]) -> None:
        self.writing.set()
        assert self.may_go_on.wait(PATIENCE)
        self.kept += lines


async def test_a_block_that_ends_while_its_calls_are_written_loses_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("promptcot.runners.cluster.worker._KEEP_EVERY", 0.05)
    calls, journal, ended = SlowCalls(), Carried(tmp_path, []), asyncio.Event()
    worker: Any = SimpleNamespace(_work=SimpleNamespace(calls=calls))
    journal.new.append(b"one")
    keeper = asyncio.create_task(Worker._keep(worker, journal, 1, 0, ended))
    await comes_true(calls.writing.is_set)
    journal.new.append(b"two")
    ended.set()
    calls.may_go_on.set()
    await keeper
    assert calls.kept == [b"one", b"two"]


def shared(tmp_path: Path, succeeded: bool) -> _SharedHealth:
    return _SharedHealth("generate", tmp_path, lambda: succeeded)


def test_twenty_bad_rows_of_one_worker_stop_nothing_where_others_have_good_ones(tmp_path: Path) -> None:
    health = shared(tmp_path, True)
    for _ in range(100):
        health.saw(good=False, counts=False)


def test_twenty_bad_rows_stop_a_pass_in_which_nothing_came_out(tmp_path: Path) -> None:
    health = shared(tmp_path, False)
    for _ in range(19):
        health.saw(good=False, counts=False)
    with pytest.raises(SystematicFailure):
        health.saw(good=False, counts=False)


def test_a_model_that_turns_bad_is_noticed_also_where_others_have_good_rows(tmp_path: Path) -> None:
    health = shared(tmp_path, True)
    for _ in range(199):
        health.saw(good=False)
    with pytest.raises(SystematicFailure):
        health.saw(good=False)
