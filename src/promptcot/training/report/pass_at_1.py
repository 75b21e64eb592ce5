"""pass@1 of a benchmark during a training run: as a line of the log, and as text for the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from promptcot.core.units import counted
from promptcot.records import Row
from promptcot.training.best.deciding import CUT_OFF, HIGH, LOW, PASS_AT_1, PROBLEMS, SAMPLES


def line(logs: Mapping[str, Any]) -> Row:
    """pass@1, its 95 % interval, the numbers of problems (`n`) and samples, and the number of truncated samples."""
    value, low, high = (None if math.isnan(logs[name]) else logs[name] for name in (PASS_AT_1, LOW, HIGH))
    interval = None if low is None or high is None else [low, high]
    counts = {name: logs[key] for name, key in (("n", PROBLEMS), ("samples", SAMPLES), ("cut_off", CUT_OFF))}
    return {"pass@1": value, "interval": interval, **counts}


def human(line: Row) -> str:
    """A benchmark's line, formatted for display."""
    if line["pass@1"] is None:
        return f"pass@1 of {line['benchmark']}: no reply could be graded"
    low, high = line["interval"] or (None, None)
    interval = "" if low is None or high is None else f"95 % interval {100 * low:.1f} to {100 * high:.1f}, "
    cut = f", {line['cut_off']:,} cut off" if line["cut_off"] else ""
    counts = f"{counted(line['n'], 'problem')}, {counted(line['samples'], 'sample')}{cut}"
    return f"pass@1 of {line['benchmark']} {100 * line['pass@1']:.1f} % ({interval}{counts})"
