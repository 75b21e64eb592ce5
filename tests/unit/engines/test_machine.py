"""Visible GPUs, from the output of a stand-in for nvidia-smi; and the allowed number of threads."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from promptcot.engines.machine import cores, threads, visible_gpus

LISTING = """\
0, GPU-aaaa1111-0000, NVIDIA H100 80GB HBM3, 81559, 81008
1, GPU-aaaa2222-0000, NVIDIA H100 80GB HBM3, 81559, 1024
2, GPU-bbbb3333-0000, Card, with comma, 24576, 24000
3, GPU-cccc4444-0000, Broken, [Unknown Error], [Unknown Error]
"""


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH, with an nvidia-smi in it that prints LISTING."""
    return install(tmp_path, monkeypatch, f"import sys; sys.stdout.write({LISTING!r})")


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, program: str) -> Path:
    tool = folder / "nvidia-smi"
    tool.write_text(f"#!{sys.executable} -IS\n{program}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.mark.usefixtures("driver")
def test_memory_is_in_bytes_and_a_broken_gpu_is_left_out() -> None:
    found = visible_gpus({})
    assert [gpu.index for gpu in found] == [0, 1, 2]
    assert found[1].memory_total == 81559 * 1024**2
    assert found[1].memory_free == 1024**3
    assert found[2].name == "Card, with comma"


@pytest.mark.usefixtures("driver")
@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ("0,2", [0, 2]),
        ("2, 0", [2, 0]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("0,9,1", [0]),
        ("1,1", [1]),
        ("GPU-bbbb3333-0000,0", [2, 0]),
        ("GPU-bbbb", [2]),
        ("GPU-aaaa", []),
        ("3", []),
    ],
)
def test_cuda_visible_devices_is_read_as_cuda_reads_it(chosen: str, expected: list[int]) -> None:
    assert [gpu.index for gpu in visible_gpus({"CUDA_VISIBLE_DEVICES": chosen})] == expected


def test_without_the_tool_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert visible_gpus({}) == []


def test_a_tool_that_fails_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, f"import sys; sys.stdout.write({LISTING!r}); sys.exit(9)")
    assert visible_gpus({}) == []


def test_a_tool_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "import time; time.sleep(60)")
    monkeypatch.setattr("promptcot.engines.machine._TIMEOUT", 0.2)
    assert visible_gpus({}) == []


@pytest.mark.parametrize(
    ("value", "expected"), [("1", 1), ("3,1", 3), (" 2 ", 2), ("", None), ("0", None), ("many", None)]
)
def test_threads_are_as_many_as_the_environment_allows_else_one_for_each_core(value: str, expected: int | None) -> None:
    assert threads({"OMP_NUM_THREADS": value}) == (expected or cores())
    assert threads({}) == cores()
