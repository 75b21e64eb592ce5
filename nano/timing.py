"""How long the parts of a whole training took, interruptions left out.

Each start of a part is logged in OUT/train.jsonl with its end, whether it came to its end or was stopped. Which parts
there are is left to `train` and `natural`; the words of the card are left to `card`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nano import logs
from nano.schedule import WAVES

LOG = "train.jsonl"
NATURAL = "generator's texts"
PARTS = ("wave 1", "wave 2", NATURAL, *(f"wave {number}" for number in range(3, len(WAVES) + 1)))
"""In the order in which they run."""


@dataclass(frozen=True)
class Times:
    """Seconds by part, over all its starts; the parts that never came to their end; the starts that have no end."""

    seconds: dict[str, float]
    unfinished: tuple[str, ...]
    lost: int


@contextmanager
def timed(out: Path, part: str) -> Iterator[None]:
    """Logs the begin of a part, and its end however it comes, unless the process is killed."""
    began = time.monotonic()
    _log(out, part, "begin")
    event = "stopped"
    try:
        yield
        event = "end"
    finally:
        _log(out, part, event, seconds=round(time.monotonic() - began, 1))


def times(out: Path) -> Times | None:
    """What is logged in `out`, or None where nothing is."""
    if not (out / LOG).exists():
        return None
    lines = logs.read(out / LOG)
    events = Counter((line["part"], line["event"]) for line in lines)
    seconds = dict.fromkeys(PARTS, 0.0)
    for line in lines:
        seconds[line["part"]] += line.get("seconds", 0.0)
    begins = sum(count for (_, event), count in events.items() if event == "begin")
    unfinished = tuple(part for part in PARTS if not events[part, "end"])
    return Times(seconds, unfinished, 2 * begins - len(lines))


def _log(out: Path, part: str, event: str, **values: float) -> None:
    logs.append(out / LOG, {"part": part, "event": event, "time": round(time.time()), **values})
