"""Runs the steps of a chain, each in a process of its own, and leaves out those that are finished.

A step is finished when it ended well with the same command and the same inputs, and its product is there; that is
written down in `chain.json`. What a step does after an interruption is its own business: the same command goes on where
it stopped.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptcot.chains.steps import Step
from promptcot.core.units import duration
from promptcot.storage.atomic import locked, write_json

STATE = "chain.json"
SOME_ROWS_FAILED = 3
_PATIENCE = 5.0  # seconds in which a child that was interrupted with us may end by itself

Say = Callable[[str], None]
Start = Callable[[Sequence[str]], int]


def start(arguments: Sequence[str]) -> int:
    """Run `promptcot` with these arguments in a child process; its exit code.

    The child ends before we do: Ctrl-C reaches both, and a signal to us alone is passed on.
    """
    with subprocess.Popen([sys.executable, "-m", "promptcot", *arguments]) as child:
        try:
            return child.wait()
        except KeyboardInterrupt:
            try:
                child.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                child.terminate()
                child.wait()
            raise


def run_steps(steps: Sequence[Step], directory: Path, recipe: Mapping[str, Any], say: Say, start: Start = start) -> int:
    """Run what is not finished, one step after the other, and return the exit code.

    A step in which some rows failed (3) does not stop the chain, and runs again the next time; any other code but 0
    does. Raises LockedError where another process runs a chain in this directory.
    """
    with locked(directory / "chain.lock"):
        state = _State.read(directory / STATE, recipe)
        code = 0
        for number, step in enumerate(steps, 1):
            title = f"[{number}/{len(steps)}] {step.name}"
            if not step.always and (seconds := state.finished(step)) is not None:
                say(f"{title}: finished before, in {duration(seconds)}")
                continue
            say(f"\n{title}\n$ {step.shown}")
            ended = _one(step, state, say, start)
            say(f"{title}: {_outcome(ended)} after {duration(state.seconds(step))}")
            if ended not in (0, SOME_ROWS_FAILED):
                say(f"the chain stops here; the same command goes on with {step.name}")
                return ended
            code = max(code, ended)
        return code


def _one(step: Step, state: _State, say: Say, start: Start) -> int:
    """Run a step and write down how it ended. Its inputs are looked at before: what it changes is not what it read."""
    inputs = {str(path): look(path, state.known(path)) for path in step.inputs}
    if step.workspace is not None and step.workspace.exists() and state.began_otherwise(step, inputs):
        say(f"removed: {step.workspace}, which was made by another command or of other inputs")
        shutil.rmtree(step.workspace)
    state.note(step, inputs, None, 0.0)
    began = time.monotonic()
    code = start(step.arguments)
    state.note(step, inputs, code, time.monotonic() - began)
    return code


def _outcome(code: int) -> str:
    if code == 0:
        return "done"
    return "done, some rows failed," if code == SOME_ROWS_FAILED else f"stopped with exit code {code}"


def look(path: Path, known: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
    """Size, last change and sha256 of a file, or of the files of a model folder; None where nothing is there.

    The content is read only where size and last change are not those that are `known`. Model cards (`.md`) do not
    count: results are written into them afterwards.
    """
    if not path.exists():
        return None
    inside = path.rglob("*") if path.is_dir() else [path]
    files = sorted(file for file in inside if file.is_file() and (file == path or file.suffix != ".md"))
    told = [[file.stat().st_size, file.stat().st_mtime_ns] for file in files]
    if known is not None and known["files"] == told:
        return dict(known)
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(path.parent)} {file.stat().st_size}\n".encode())
        with file.open("rb") as content:
            while piece := content.read(1 << 20):
                digest.update(piece)
    return {"sha256": digest.hexdigest(), "files": told}


@dataclass
class _State:
    """What `chain.json` says: the recipe, and of each step the command, the inputs, the exit code and the duration."""

    path: Path
    recipe: Mapping[str, Any]
    steps: dict[str, dict[str, Any]]

    @classmethod
    def read(cls, path: Path, recipe: Mapping[str, Any]) -> _State:
        try:
            steps = json.loads(path.read_bytes())["steps"]
        except (OSError, ValueError, KeyError, TypeError):  # no chain ran here yet, or nobody can tell: every step runs
            steps = {}
        return cls(path, recipe, steps)

    def finished(self, step: Step) -> float | None:
        """How long the step took, if it is finished."""
        found = self.steps.get(step.name)
        if found is None or found["exit"] != 0 or found["command"] != list(step.arguments) or not step.product.exists():
            return None
        now = {str(path): look(path, found["inputs"].get(str(path))) for path in step.inputs}
        return float(found["seconds"]) if _same(found["inputs"], now) else None

    def began_otherwise(self, step: Step, inputs: Mapping[str, Any]) -> bool:
        """Whether the step was begun before with another command or other inputs."""
        found = self.steps.get(step.name)
        return found is not None and (found["command"] != list(step.arguments) or not _same(found["inputs"], inputs))

    def known(self, path: Path) -> dict[str, Any] | None:
        """What some step saw of a file."""
        return next((one["inputs"][str(path)] for one in self.steps.values() if one["inputs"].get(str(path))), None)

    def note(self, step: Step, inputs: Mapping[str, Any], code: int | None, seconds: float) -> None:
        """Write down that a step begins (no `code`), or how it ended. Raises StorageError."""
        told = {"command": list(step.arguments), "inputs": dict(inputs), "exit": code, "seconds": round(seconds, 1)}
        self.steps[step.name] = told
        write_json(self.path, {"recipe": dict(self.recipe), "steps": self.steps})

    def seconds(self, step: Step) -> float:
        return float(self.steps[step.name]["seconds"])


def _same(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether files had the same content."""
    return {path: told and told["sha256"] for path, told in before.items()} == {
        path: told and told["sha256"] for path, told in now.items()
    }
