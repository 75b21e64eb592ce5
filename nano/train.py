"""Trains all models from nothing: `python -m nano.train OUT`. Run it again to go on after a stop.

Runs the waves of `schedule`, two trainings at a time, each in a process of its own; before judges and verifier are
trained, the generator writes the texts whose mistakes they learn. How long each part took is logged in OUT/train.jsonl.
`python -m nano.install OUT` puts the weights into the package.
"""

from __future__ import annotations

import argparse
import dataclasses
import signal
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
from nano.timing import timed
from promptcot.errors import PromptCoTError


def arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m nano.train", description=__doc__)
    parser.add_argument("out", type=Path, help="folder of the models, their logs and states")
    parser.add_argument("--only", choices=TRAININGS, metavar="NAME", help="this training alone, in this process")
    parser.add_argument("--scale", type=float, default=1.0, help="train on this multiple of the tokens")
    return parser.parse_args()


def main() -> None:
    """Train what is not finished, wave by wave; models of a wave train side by side."""
    chosen = arguments()
    logging.disable_progress_bar()
    if chosen.only:
        return one(TRAININGS[chosen.only], chosen.out, chosen.scale)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # an exit that ends the trainings too
    for number, wave in enumerate(WAVES, 1):
        waiting = [training for training in wave if not finished(_scaled(training, chosen.scale), chosen.out)]
        if any(training.natural for training in waiting):
            natural.ensure(chosen.out, chosen.scale)
        if waiting:
            with timed(chosen.out, f"wave {number}"):
                side_by_side([training.name for training in waiting], chosen.out, chosen.scale)


def one(training: Training, out: Path, scale: float = 1.0) -> None:
    """One training, in this process."""
    source: Source = partial(example, training.texts, training.seed)
    if training.natural:
        natural.ensure(out, scale)
        source = natural.mixed(source, training, out)
    fit(_scaled(training, scale), out, source)


def side_by_side(names: Sequence[str], out: Path, scale: float) -> None:
    """Trainings in processes of their own, two at a time.

    Exits where one fails; none outlives this call, so that no later start meets one in its folder.
    """
    waiting, running = list(names), list[subprocess.Popen[bytes]]()
    try:
        while waiting or running:
            while waiting and len(running) < 2:
                command = [sys.executable, "-m", "nano.train", str(out), "--only", waiting.pop(0)]
                running.append(subprocess.Popen([*command, "--scale", str(scale)]))
            running = _still_running(running)
            time.sleep(1)
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()


def _still_running(running: Sequence[subprocess.Popen[bytes]]) -> list[subprocess.Popen[bytes]]:
    """Those that have not ended. Exits with the status of the first that failed."""
    for process in running:
        if process.poll():
            sys.exit(process.returncode if process.returncode > 0 else 1)  # negative: killed by a signal
    return [process for process in running if process.returncode is None]


def _scaled(training: Training, scale: float) -> Training:
    """A training on a multiple of its tokens. A short trial is not looked at: a look takes longer than the trial."""
    checks = training.checks if scale > 0.01 else 0
    return dataclasses.replace(training, tokens=training.tokens * scale, checks=checks)


if __name__ == "__main__":
    try:
        main()
    except PromptCoTError as error:
        sys.exit(f"nano.train: {error}")
