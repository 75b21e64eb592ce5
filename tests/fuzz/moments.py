"""Programs that die, or are interrupted, when they do something for the Nth time: see `dying/sitecustomize.py`."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_DYING = Path(__file__).with_name("dying")


@dataclass(frozen=True)
class Moment:
    """The `number`th event that fits `at` (0: none, events are only counted), and the signal that comes then.

    It is sent to `all` processes of the program, which has to lead a process group (`tests.programs.started`), to the
    `first` one, which has to pass it on, or only to the one that does it, it`self`.
    """

    number: int
    at: str
    how: signal.Signals = signal.SIGKILL
    to: Literal["all", "first", "self"] = "all"

    def environment(self, folder: Path, log: Path) -> dict[str, str]:
        """The environment for a program that writes below `folder`; its events are written to `log`."""
        told = {"log": str(log), "under": str(folder.resolve()), "at": self.at, "number": self.number}
        told |= {"signal": int(self.how), "to": self.to}
        path = os.pathsep.join([str(_DYING), *filter(None, [os.environ.get("PYTHONPATH")])])
        return {**os.environ, "PYTHONPATH": path, "PROMPTCOT_MOMENT": json.dumps(told)}


def events(log: Path) -> list[str]:
    """What a program did, in order."""
    return [line.rstrip() for line in log.read_text().splitlines()] if log.exists() else []
