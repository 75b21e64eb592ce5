"""Runs the steps of a chain, each in its own process, and skips finished ones.

A step is finished when the same command with the same inputs has succeeded and its product exists; `chain.json` records
this. Resuming inside a step is left to its command, which continues where it stopped.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from promptcot.chains.steps import Step
from promptcot.core.units import duration
from promptcot.interruption import PARENT
from promptcot.storage.atomic import locked, without_secrets
from promptcot.storage.checked import read_document, write_document

STATE = "chain.json"
SOME_ROWS_FAILED = 3
_PATIENCE = 5.0  # seconds that an interrupted child has to end by itself

Say = Callable[[str], None]
Start = Callable[[Sequence[str]], int]


def start(arguments: Sequence[str]) -> int:
    """Run `promptcot` with these arguments in a child process; returns its exit code.

    The child ends before this process, or right after it if this one is killed: Ctrl-C reaches both, and other signals
    are forwarded.
    """
    environment = {**os.environ, PARENT: str(os.getpid())}
    with subprocess.Popen([sys.executable, "-m", "promptcot", *arguments], env=environment) as child:
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
    """Run unfinished steps in order, and return the exit code.

    A step in which some rows failed (3) does not stop the chain, and runs again the next time; any other code but 0
    stops it. Raises LockedError if another process runs a chain in this directory.
    """
    with locked(directory / "chain.lock"):
        state = _State(directory / STATE, recipe)
        code = 0
        for number, step in enumerate(steps, 1):
            ended = _run_step(step, f"[{number}/{len(steps)}] {step.name}", state, say, start)
            if ended not in (0, SOME_ROWS_FAILED):
                say(f"the chain stops here; the same command continues with {step.name}")
                return ended
            code = max(code, ended)
        return code


def _run_step(step: Step, title: str, state: _State, say: Say, start: Start) -> int:
    """Run a pending step, and record its result. Its inputs are fingerprinted before it may change them."""
    inputs, before = state.look_at(step), state.steps.get(step.name)
    command, seen = without_secrets([list(step.arguments), inputs])  # as in the record
    same = before is not None and before["command"] == command and _same(before["inputs"], seen)
    if before and same and before["exit"] == 0 and step.product.exists() and not step.always:
        say(f"{title}: finished before, in {duration(before['seconds'])}")
        return 0
    say(f"\n{title}\n$ {step.shown}")
    if step.workspace is not None and step.workspace.exists() and before and not same:
        say(f"removed: {step.workspace}, which was made by another command or from other inputs")
        shutil.rmtree(step.workspace)
    state.note(step, inputs, None, 0.0)
    began = time.monotonic()
    code = start(step.arguments)
    state.note(step, inputs, code, time.monotonic() - began)
    say(f"{title}: {_outcome(code)} after {duration(state.steps[step.name]['seconds'])}")
    return code


def _outcome(code: int) -> str:
    if code == 0:
        return "done"
    return "done, some rows failed," if code == SOME_ROWS_FAILED else f"stopped with exit code {code}"


def look(path: Path, known: Iterable[dict[str, Any]] = ()) -> dict[str, Any] | None:
    """Size, modification time and sha256 of a file, or of the files of a model folder; None if there is nothing.

    The content is read only if size and modification time differ from those that are `known`. Model cards (`.md`) are
    ignored: results are written into them afterwards.
    """
    if not path.exists():
        return None
    inside = path.rglob("*") if path.is_dir() else [path]
    files = sorted(file for file in inside if file.is_file() and (file == path or file.suffix != ".md"))
    sizes = [[file.stat().st_size, file.stat().st_mtime_ns] for file in files]
    return next((one for one in known if one["files"] == sizes), None) or {
        "sha256": _digest(files, path),
        "files": sizes,
    }


def _digest(files: Sequence[Path], path: Path) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(path.parent)} {file.stat().st_size}\n".encode())
        with file.open("rb") as content:
            hashlib.file_digest(content, lambda: digest)
    return digest.hexdigest()


class _State:
    """The content of `chain.json`: the recipe, and for each step the command, the inputs, the exit code and the
    duration.
    """

    def __init__(self, path: Path, recipe: Mapping[str, Any]) -> None:
        self._path, self._recipe = path, recipe
        self.steps: dict[str, dict[str, Any]] = {}
        found = read_document(path) or {}
        steps = found.get("steps") if found.keys() == {"recipe", "steps"} else None
        if isinstance(steps, dict):  # otherwise no chain ran here, or the record is damaged: all steps run
            self.steps = {name: record for name, record in steps.items() if _is_complete(record)}

    def look_at(self, step: Step) -> dict[str, Any]:
        """The current inputs of a step."""
        seen = [one["inputs"] for one in self.steps.values()]
        return {path: look(Path(path), filter(None, (one.get(path) for one in seen))) for path in map(str, step.inputs)}

    def note(self, step: Step, inputs: Mapping[str, Any], code: int | None, seconds: float) -> None:
        """Record the start of a step (no `code`), or its result. Raises StorageError."""
        record = {"command": list(step.arguments), "inputs": inputs, "exit": code, "seconds": round(seconds, 1)}
        self.steps[step.name] = record
        write_document(self._path, {"recipe": self._recipe, "steps": self.steps})


def _is_complete(step: object) -> bool:
    """Whether the record of a step is complete. Records have no checksum, so they are checked field by field."""
    return (
        isinstance(step, dict)
        and step.keys() >= {"command", "inputs", "exit", "seconds"}
        and isinstance(step["inputs"], dict)
        and all(
            one is None or (isinstance(one, dict) and {"sha256", "files"} <= one.keys())
            for one in step["inputs"].values()
        )
        and isinstance(step["seconds"], int | float)
    )


def _same(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether files have the same content."""
    return {path: record and record["sha256"] for path, record in before.items()} == {
        path: record and record["sha256"] for path, record in now.items()
    }
