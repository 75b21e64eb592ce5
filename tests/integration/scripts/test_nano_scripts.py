"""Every script that makes a part of the nano world runs; the fast ones reproduce the shipped files exactly."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptcot import nano
from tests.integration.scripts.finding import runs_through, scripts

SHIPPED = {"benchmark": nano.benchmark_path(), "catalogue": nano.concepts_path(), "seeds": nano.seeds_path()}
SMALLEST = {
    "curve": ["--out", "OUT/curves.png"],
    "tokenizer": ["OUT", "--per-role", "20"],
    "train": ["OUT", "--only", "solver", "--scale", "1e-9"],
}
MADE = {"curve": "curves.png", "tokenizer": "tokenizer.json", "train": "solver/model.safetensors"}
IN_UNIT_TESTS = ["card", "install"]
"""What needs the folder of a whole training; `tests/unit/nano` has stand-ins."""


def test_every_script_is_run_here() -> None:
    assert scripts("nano") == sorted([*SHIPPED, *SMALLEST, *IN_UNIT_TESTS])


@pytest.mark.parametrize("name", SHIPPED)
def test_a_script_writes_the_file_that_ships(name: str, tmp_path: Path) -> None:
    runs_through("-m", f"nano.{name}", "--out", str(tmp_path / "made.jsonl"))
    assert (tmp_path / "made.jsonl").read_bytes() == SHIPPED[name].read_bytes()


@pytest.mark.parametrize("name", SMALLEST)
def test_a_script_runs_through_at_its_smallest_size(name: str, tmp_path: Path) -> None:
    runs_through("-m", f"nano.{name}", *(word.replace("OUT", str(tmp_path)) for word in SMALLEST[name]))
    assert (tmp_path / MADE[name]).stat().st_size
