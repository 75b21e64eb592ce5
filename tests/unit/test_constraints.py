"""What the pins must hold: every direct dependency, no host, no build of one machine."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
LINES = [line for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines() if not line.startswith("#")]


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
