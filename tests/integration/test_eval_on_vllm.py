"""The nano solver evaluated on a vLLM server of our own and on the embedded engine: within each other's intervals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from promptcot.cli import main

pytestmark = pytest.mark.engines


def accuracy(folder: Path, *options: str) -> dict[str, Any]:
    """What `eval` writes about the benchmark: mean and interval over problems."""
    command = ["eval", "nano", "--output-dir", str(folder), "--limit-rows", "60", "--n", "4", *options]
    assert main(command) == 0
    grades = json.loads((folder / "results.json").read_text())
    found: dict[str, Any] = grades["benchmarks"]["nano"]["accuracy"]
    return found


def test_two_engines_agree_on_what_a_model_can_do(tmp_path: Path) -> None:
    local = accuracy(tmp_path / "local", "--engine", "local")
    vllm = accuracy(tmp_path / "vllm", "--engine", "vllm")
    assert 0.5 < local["mean"] < 1.0
    assert local["interval"][0] <= vllm["mean"] <= local["interval"][1]
    assert vllm["interval"][0] <= local["mean"] <= vllm["interval"][1]
