"""Finds all scripts of this repository, so that none is left untested."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.programs import finished

ROOT = Path(__file__).parents[3]


def scripts(folder: str) -> list[str]:
    """The names of the files in a folder that can be run."""
    found = (path for path in (ROOT / folder).glob("*.py") if '__name__ == "__main__"' in path.read_text("utf-8"))
    return sorted(path.stem for path in found)


def runs_through(*words: str) -> None:
    """Run Python with these words in the root of the repository; it must end with 0."""
    done = finished([sys.executable, *words], cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
