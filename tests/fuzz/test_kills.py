"""Each verb is stopped, restarted, killed and restarted, and ends with the files of an undisturbed run.

`benchmarks/fuzz_kills.py` does the same at hundreds of moments.
"""

from __future__ import annotations

import random
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from promptcot.interruption import REQUESTS
from tests.fuzz.kills import ANYTHING, CHANGE, Attacker
from tests.fuzz.moments import Moment
from tests.fuzz.verbs import TRAIN, VERBS, Kitchen, Verb, kitchen
from tests.programs import finished

ALIKE = {"run", "run with a target", "run in passes", "generate to zst", "merge of outputs", "solve", "explain"}
ALIKE |= {"run up to its cap", "extract", "judge", "sample", "train-rows", "plan", "doctor", "eval"}
"""Verbs that do their work as others do: only the benchmark disturbs them."""


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kitchen]:
    with kitchen(tmp_path_factory.mktemp("inputs")) as made:
        yield made


def disturb(name: str, verb: Verb, inputs: Kitchen, folder: Path) -> list[str]:
    """One request to stop and one kill, at moments that are drawn by the verb's name."""
    draws, attacker = random.Random(name), Attacker(name, verb, inputs, folder)
    reference = attacker.reference()
    how, to = draws.choice(REQUESTS), draws.choice(["all", "first"])
    moments = [Moment(draws.randrange(1, len(reference.done) + 1), ANYTHING, how, to)]
    if changes := reference.places(CHANGE):
        moments.append(Moment(draws.choice(changes), ANYTHING))
    return attacker.disturbed(reference, moments)


@pytest.mark.parametrize("name", sorted(VERBS.keys() - ALIKE))
def test_what_is_interrupted_and_killed_ends_with_the_same_files(name: str, inputs: Kitchen, tmp_path: Path) -> None:
    assert disturb(name, VERBS[name], inputs, tmp_path) == []


@pytest.mark.engines
def test_a_training_that_is_interrupted_and_killed_ends_with_the_same_model(inputs: Kitchen, tmp_path: Path) -> None:
    assert disturb("train", TRAIN, inputs, tmp_path) == []


def test_a_program_dies_at_the_moment_that_was_chosen(tmp_path: Path) -> None:
    moment = Moment(2, "^after replace b")
    program = """
import sys, promptcot.cli.root, os
for number in range(4):
    open(f"a{number}", "w").close()
    os.replace(f"a{number}", f"b{number}")
"""
    environment = moment.environment(tmp_path, tmp_path.parent / f"{tmp_path.name}.events")
    done = finished([sys.executable, "-c", program], cwd=tmp_path, env=environment)
    assert done.returncode == -signal.SIGKILL
    assert {path.name for path in tmp_path.iterdir()} == {"b0", "b1"}
