"""Kills and interruptions of whole programs: what must be the same afterwards, and what may be printed.

A trial runs a verb to its end once more and compares every file with those of a run that nobody disturbed. What is
masked: clocks, and checksums of what has clocks in it; how many calls were made and how many reused, which together
must be the same; and the order of lines in journals and kept grades, which is that of arrival. The server counts too:
what it is asked in the end is new in a journal afterwards. No journal has paid more than a verb's cap.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from promptcot.interruption import INTERRUPTED
from promptcot.storage.checked import intact
from tests.fuzz.moments import Moment, events
from tests.fuzz.verbs import Kitchen, Verb
from tests.programs import PATIENCE, started

ANYTHING = r"^(before|after|open|import|exit)"
CHANGE = re.compile(r"^(before|after) (replace|rename|link|unlink|remove|truncate|ftruncate) ")
WRITING = re.compile(r"^(before|after|open) ")
CALLS = "^call"
"""Every function of the package: a fine grain also where no file is touched, and three times as slow."""

_BAD_WORDS = ("Traceback", "Exception ignored", "Task was destroyed", "Task exception", "Event loop is closed")
_BAD_WORDS += ("was never awaited", "Unclosed", "Fatal Python error", "leaked")
_FOLLOWS_THE_MOMENT = ("asked_again", "prompt_tokens", "completion_tokens")
_CLOCK = re.compile(rb'"(seconds|crc32)":\s*[-+.e\d]+|\b1\d{18}\b')
"""Durations, when a file was changed, in nanoseconds, and a checksum that depends on them."""
_ARRIVING = re.compile(r"/calls\.jsonl$|\.grades/")
"""Files whose lines stand in the order in which something was finished."""

_NUMBERS = count()

Files = dict[str, bytes]


@dataclass(frozen=True)
class Ended:
    """The exit of a program, its output, and the number of texts that it requested from the server."""

    code: int
    asked: int
    out: str
    err: str


@dataclass(frozen=True)
class Reference:
    """The files of an undisturbed run of a verb, and its events."""

    code: int
    files: Files
    done: Sequence[str]

    def places(self, kind: re.Pattern[str]) -> list[int]:
        """The numbers of its events of a kind."""
        return [number for number, event in enumerate(self.done, 1) if kind.search(event)]


class Attacker:
    """Disturbs one verb in folders of its own."""

    def __init__(self, name: str, verb: Verb, kitchen: Kitchen, folder: Path) -> None:
        self.name, self._verb, self._kitchen = name, verb, kitchen
        self._place = folder / re.sub(r"\W+", "-", name)
        self._place.mkdir()
        self._trials = 0

    def reference(self, pattern: str = ANYTHING) -> Reference:
        """Run it undisturbed, and count these events."""
        folder = self._fresh()
        ended, done = self._run(folder, Moment(0, pattern))
        assert ended.code == self._verb.code, f"{self.name}: {ended}"
        written = list(filter(WRITING.search, done))
        assert self._verb.writes or not written, f"{self.name} is to write nothing: {written}"
        return Reference(ended.code, dict(_compared(folder, self._verb)), done)

    def disturbed(self, reference: Reference, moments: Sequence[Moment]) -> list[str]:
        """Run it again and again, disturbed at each of these moments, and to its end; what is wrong on the way."""
        folder = self._fresh()
        wrong: list[str] = []
        for moment in moments:
            ended, _ = self._run(folder, moment)
            wrong += _complaints(ended, moment, reference)
        before = len(_calls(folder))
        ended, _ = self._run(folder, None)
        if ended.code != reference.code:
            return [*wrong, f"run again, it ended with {ended.code}, not {reference.code}: {ended.err[-2000:]}"]
        wrong += [f"{path}: a call is there twice" for path in folder.rglob("calls.jsonl") if _has_one_twice(path)]
        calls = _calls(folder)
        if ended.asked > max(0, len(calls) - before) and not self._verb.timed:
            wrong.append(f"asked for {ended.asked} texts, and {len(calls) - before} are new: some were there")
        if (paid := sum(call["cost"] or 0 for call in calls)) > self._verb.cap:
            wrong.append(f"{paid} was paid, more than {self._verb.cap}")
        return wrong + list(_differences(reference.files, dict(_compared(folder, self._verb))))

    def _fresh(self) -> Path:
        self._trials += 1
        folder = self._place / str(self._trials) / "work"
        self._kitchen.lay_out(self._verb, folder)
        return folder

    def _run(self, folder: Path, moment: Moment | None) -> tuple[Ended, list[str]]:
        log = folder.parent / "events"
        log.unlink(missing_ok=True)
        key = f"run-{next(_NUMBERS)}-of-{self._place.name}"
        environment = moment.environment(folder, log) if moment else dict(os.environ)
        program = map(self._kitchen.addressed, self._verb.program)
        command = [sys.executable, *program, *self._kitchen.words(self._verb.line)]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with started(command, cwd=folder, env={**environment, "OPENAI_API_KEY": key}, **pipes) as process:
            out, err = process.communicate(timeout=PATIENCE)
        return Ended(process.returncode, self._kitchen.asked(key), out, err), events(log)


def _complaints(ended: Ended, moment: Moment, reference: Reference) -> Iterator[str]:
    """What is wrong with how a disturbed program ended."""
    if moment.how == signal.SIGKILL:
        if ended.code not in (-signal.SIGKILL, reference.code):
            yield f"killed, it ended with {ended.code}: {ended.err[-2000:]}"
        return
    if ended.code not in (INTERRUPTED, reference.code):
        yield f"interrupted by {moment.how.name}, it ended with {ended.code}: {ended.err[-2000:]}"
    if ended.code == INTERRUPTED and "run the same command again" not in ended.err:
        yield f"it does not say how to go on: {ended.err[-2000:]!r}"
    yield from (f"it says {word!r}: {ended.err[-4000:]}" for word in _BAD_WORDS if word in ended.err + ended.out)


def _compared(folder: Path, verb: Verb) -> Iterator[tuple[str, bytes]]:
    """All files by name, in the form in which they are compared."""
    found = {path for pattern in verb.results for path in folder.glob(pattern) if path.is_file()}
    for path in sorted(found):
        name, content = str(path.relative_to(folder)), path.read_bytes()
        if verb.timed and (path.name == "summary.json" or ".journal" in name):
            continue
        if _ARRIVING.search(name):
            content = b"".join(sorted(content.splitlines(keepends=True)))
        elif path.name.endswith("summary.json"):
            content = _settled(json.loads(content))
        elif path.name == "report.html":
            content = b""  # it shows how long steps took
        elif path.name.endswith(".json"):
            content = _CLOCK.sub(b"", content)
        yield name, content


def _settled(summary: Any) -> bytes:
    """A summary without clocks, and with calls and reused ones as one number."""
    for stage in summary["stages"].values():
        stage["calls"] = stage.pop("calls", 0) + stage.pop("reused", 0)
        for name in ("seconds", *_FOLLOWS_THE_MOMENT):
            stage.pop(name, None)
    return json.dumps(summary, indent=1).encode()


def _calls(folder: Path) -> list[dict[str, Any]]:
    """The finished calls in the journals of a folder; a line that a kill cut off is none."""
    lines = (line for path in folder.rglob("calls.jsonl") for line in path.read_bytes().splitlines())
    return [json.loads(line) for line in lines if intact(line)]


def _has_one_twice(calls: Path) -> bool:
    keys = [json.loads(line)["key"] for line in calls.read_bytes().splitlines()]
    return len(keys) != len(set(keys))


def _differences(expected: Files, found: Files) -> Iterator[str]:
    yield from (f"{name} is missing" for name in expected.keys() - found.keys())
    yield from (f"{name} is left over" for name in found.keys() - expected.keys())
    for name in expected.keys() & found.keys():
        if expected[name] != found[name]:
            one, other = expected[name], found[name]
            place = next((n for n, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), -1)
            near = slice(max(0, place - 60), max(0, place) + 60)
            yield f"{name} differs at byte {place:,}: {one[near]!r} became {other[near]!r}"
