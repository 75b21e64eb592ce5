"""Kills and interruptions of whole programs: what must be the same afterwards, and what may be said.

A trial runs a verb to its end once more and compares every file with those of a run that nobody disturbed. What is
masked: clocks; how many calls were made and how many reused, which together must be the same (except in `encode`, which
asks for many texts in one call and reuses each by itself); the order of lines in a journal, which is that of arrival;
and grades that are kept (`X.grades`), whose names depend on when X was written.
"""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fuzz.moments import Moment, events
from tests.fuzz.verbs import Kitchen, Verb
from tests.programs import PATIENCE, started

CHANGES = r"^(before|after) (replace|rename|link|unlink|remove|truncate|ftruncate) "
ANY_CHANGE = r"^(before|after|open) "
ANYTHING = r"^(before|after|open|import|exit)"
CALLS = "^call"

_GOOD = {0, 3, 130}
_BAD_WORDS = ("Traceback", "Exception ignored", "Task was destroyed", "Task exception", "Event loop is closed")
_BAD_WORDS += ("was never awaited", "Unclosed", "Fatal Python error", "leaked")
_FOLLOWS_THE_MOMENT = ("asked_again", "prompt_tokens", "completion_tokens")
_CLOCK = re.compile(rb'"(seconds|eta|began|ended)":\s*[-+.e\d]+')

Files = dict[str, bytes]


@dataclass(frozen=True)
class Ended:
    """How a program ended, and what it said."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Reference:
    """What an undisturbed run of a verb leaves, and all that it did, by the name of the events' pattern."""

    code: int
    files: Files
    known: Mapping[str, Sequence[str]]


class Attacker:
    """Disturbs one verb in folders of its own."""

    def __init__(self, name: str, verb: Verb, kitchen: Kitchen, folder: Path) -> None:
        self.name, self._verb, self._kitchen = name, verb, kitchen
        self._place = folder / re.sub(r"\W+", "-", name)
        self._place.mkdir()
        self._trials = 0

    def reference(self, *patterns: str) -> Reference:
        """Run it undisturbed, once for each pattern of events that is asked for."""
        known: dict[str, list[str]] = {}
        for pattern in patterns:
            folder = self._fresh()
            ended, known[pattern] = self._run(folder, Moment(0, pattern))
            assert ended.code in (0, 1, 3), f"{self.name}: {ended}"
        return Reference(ended.code, self._left(folder), known)

    def killed(self, reference: Reference, moments: Sequence[Moment]) -> list[str]:
        """Kill it at each of these moments, one after the other, and let it end; what is wrong then."""
        folder = self._fresh()
        wrong = [] if self._verb.writes else list(self._written(folder))
        for moment in moments:
            ended, _ = self._run(folder, moment)
            if ended.code not in (-signal.SIGKILL, reference.code):
                wrong.append(f"killed, it ended with {ended.code}: {ended.err[-2000:]}")
        return wrong + self._finished(folder, reference)

    def interrupted(self, reference: Reference, moment: Moment) -> list[str]:
        """Interrupt it at a moment, and let it end; what is wrong with what it said, and then."""
        folder = self._fresh()
        ended, _ = self._run(folder, moment)
        wrong = []
        if ended.code not in {*_GOOD, reference.code}:
            wrong.append(f"interrupted, it ended with {ended.code}: {ended.err[-2000:]}")
        if ended.code == 130 and "run the same command again to go on" not in ended.err:
            wrong.append(f"it does not say how to go on: {ended.err[-2000:]!r}")
        wrong += [f"it says {word!r}: {ended.err[-4000:]}" for word in _BAD_WORDS if word in ended.err + ended.out]
        return wrong + self._finished(folder, reference)

    def _finished(self, folder: Path, reference: Reference) -> list[str]:
        ended, _ = self._run(folder, None)
        if ended.code != reference.code:
            return [f"run again, it ended with {ended.code}, not {reference.code}: {ended.err[-2000:]}"]
        wrong = [f"{path}: a call is there twice" for path in folder.rglob("calls.jsonl") if _has_one_twice(path)]
        return wrong + list(_differences(reference.files, self._left(folder)))

    def _fresh(self) -> Path:
        self._trials += 1
        folder = self._place / str(self._trials) / "work"
        self._kitchen.lay_out(self._verb, folder)
        return folder

    def _run(self, folder: Path, moment: Moment | None) -> tuple[Ended, list[str]]:
        log = folder.parent / "events"
        log.unlink(missing_ok=True)
        environment = moment.environment(folder, log) if moment else None
        command = [sys.executable, "-m", "promptcot", *self._kitchen.words(self._verb.line)]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with started(command, cwd=folder, env=environment, **pipes) as process:
            out, err = process.communicate(timeout=PATIENCE)
        return Ended(process.returncode, out, err), events(log)

    def _left(self, folder: Path) -> Files:
        return dict(_compared(folder, self._verb.timed))

    def _written(self, folder: Path) -> Iterator[str]:
        ended, done = self._run(folder, Moment(0, ANY_CHANGE))
        return (f"it is to write nothing: {one} ({ended.code})" for one in done)


def _compared(folder: Path, timed: bool) -> Iterator[tuple[str, bytes]]:
    """All files by name, in the form in which they are compared."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name, content = str(path.relative_to(folder)), path.read_bytes()
        if ".grades/" in name or (timed and (path.name == "summary.json" or ".journal" in name)):
            continue
        if path.name == "calls.jsonl":
            content = b"".join(sorted(content.splitlines(keepends=True)))
        elif path.name.endswith("summary.json"):
            content = _settled(json.loads(content))
        elif path.name.endswith(".json"):
            content = _CLOCK.sub(b"", content)
        yield name, content


def _settled(summary: Any) -> bytes:
    """A summary without clocks, and with calls and reused ones as one number."""
    for step, stage in summary["stages"].items():
        calls, reused = stage.pop("calls", 0), stage.pop("reused", 0)
        stage["calls"] = None if step == "encode" else calls + reused
        for name in ("seconds", *_FOLLOWS_THE_MOMENT):
            stage.pop(name, None)
    return json.dumps(summary, indent=1).encode()


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


def spread(done: Sequence[str], count: int, draws: random.Random) -> list[int]:
    """The numbers of so many events, the first and the last included, the others drawn one from each stretch."""
    if len(done) <= count:
        return list(range(1, len(done) + 1))
    edges = [1 + place * len(done) // count for place in range(count)] + [len(done) + 1]
    inner = [draws.randrange(low, high) for low, high in zip(edges, edges[1:], strict=False)]
    return sorted({1, *inner[1:-1], len(done)})
