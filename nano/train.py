"""Trains all models from nothing: `python -m nano.train OUT`. Run it again to go on after a stop.

Runs the waves of `schedule`, two trainings at a time, each in a process of its own; before the judges are trained, the
generator writes the texts whose mistakes they learn. `python -m nano.install OUT` puts the weights into
the package.
"""

from __future__ import annotations

import argparse
import dataclasses
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from transformers.utils import logging

from nano import natural
from nano.fit import finished, fit
from nano.packing import Source
from nano.schedule import TRAININGS, WAVES, Training
from nano.texts import example


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m nano.train", description=__doc__)
    parser.add_argument("out", type=Path, help="folder of the models, their logs and states")
    parser.add_argument("--only", choices=TRAININGS, metavar="NAME", help="this training alone, in this process")
    parser.add_argument("--scale", type=float, default=1.0, help="train on this multiple of the tokens")
    return parser.parse_args()


def main() -> None:
    chosen = arguments()
    logging.disable_progress_bar()
    if chosen.only:
        return one(_scaled(TRAININGS[chosen.only], chosen.scale), chosen.out)
    for wave in WAVES:
        waiting = [training for training in wave if not finished(_scaled(training, chosen.scale), chosen.out)]
        if any(training.natural for training in waiting):
            natural.ensure(chosen.out, chosen.scale)
        side_by_side([training.name for training in waiting], chosen)


def one(training: Training, out: Path) -> None:
    """One training, in this process."""
    source: Source = partial(example, training.texts, training.seed)
    if training.natural:
        source = natural.mixed(source, training, out)
    fit(training, out, source)


def side_by_side(names: Sequence[str], chosen: argparse.Namespace) -> None:
    """Trainings in processes of their own, two at a time. Exits with the status of the first that fails."""
    waiting, running = list(names), list[subprocess.Popen[bytes]]()
    while waiting or running:
        while waiting and len(running) < 2:
            command = [sys.executable, "-m", "nano.train", str(chosen.out)]
            command += ["--only", waiting.pop(0), "--scale", str(chosen.scale)]
            running.append(subprocess.Popen(command))
        for process in [process for process in running if process.poll() is not None]:
            running.remove(process)
            if process.returncode:
                sys.exit(process.returncode)
        time.sleep(1)


def _scaled(training: Training, scale: float) -> Training:
    return dataclasses.replace(training, tokens=training.tokens * scale)


if __name__ == "__main__":
    main()
