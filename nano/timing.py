"""How long the parts of a whole training took, interruptions left out.

Each start of a part is logged in OUT/train.jsonl with its end, whether it came to its end or was stopped. Which parts
there are is left to `train` and `natural`; the words of the card are left to `card`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nano import logs
from nano.schedule import WAVES

LOG = "train.jsonl"
NATURAL = "generator's texts"
PARTS = ("wave 1", "wave 2", NATURAL, *(f"wave {number}" for number in range(3, len(WAVES) + 1)))
"""In the order in which they run."""


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


def times(out: Path) -> dict[str, float] | None:
    """Seconds by part, over all its starts; None unless every part has an end, and every start a known time."""
    lines = logs.read(out / LOG) if (out / LOG).exists() else []
    events = Counter((line["part"], line["event"]) for line in lines)
    killed = len(lines) < 2 * sum(count for (_, event), count in events.items() if event == "begin")
    if killed or not all(events[part, "end"] for part in PARTS):
        return None
    return {part: sum(line.get("seconds", 0.0) for line in lines if line["part"] == part) for part in PARTS}


def _log(out: Path, part: str, event: str, **values: float) -> None:
    logs.append(out / LOG, {"part": part, "event": event, "time": round(time.time()), **values})
