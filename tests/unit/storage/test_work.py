"""A run on this machine goes on with what one on a cluster finished before it was killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptcot.records import Completion, Request
from promptcot.storage.journal import Journal, line_of
from promptcot.storage.work import recover_cluster_calls


@pytest.fixture
def left(tmp_path: Path) -> dict[str, Request]:
    """A run directory in which two stages of a killed pass left one call each; the calls, by stage."""
    calls = {"generate": Request(prompt="write"), "judge-a": Request(prompt="rate")}
    for stage, request in calls.items():
        folder = tmp_path / "ray" / "0123" / stage / "calls"
        folder.mkdir(parents=True)
        (folder / "0-0.jsonl").write_bytes(line_of(request.key("m"), request, Completion(stage, "stop"), model="m"))
    return calls


def test_each_stage_finds_its_own_calls_and_counts_them_once(tmp_path: Path, left: dict[str, Request]) -> None:
    for _ in range(2):
        recover_cluster_calls(tmp_path, ["generate", "judge-a", "judge-b"])
    for stage, request in left.items():
        with Journal(tmp_path / f"{stage}.journal") as journal:
            assert len(journal) == 1
            assert journal.find(request.key("m"), request) == Completion(stage, "stop")
    assert not (tmp_path / "judge-b.journal").exists()
