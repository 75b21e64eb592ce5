"""Every command line, with any content of the files, ends with a clear result. `benchmarks/fuzz_commands.py` runs this
for longer.

The seeds are fixed. A find is shown by `python benchmarks/fuzz_commands.py --seed N --kinds KIND --only`.
"""

from pathlib import Path

import pytest

from tests.fuzz import calls, command_lines, trying
from tests.fuzz.good import BASES, fill
from tests.fuzz.replying import GOOD

TRIALS = 120
SLOW = {"doctor", "eval", "evaluate", "grade", "label", "mock-server"}
"""Verbs and functions that start processes or wait: left to the long run."""
_HAVE_A_BAD_END = ["chain students", "merge out.jsonl", "merge out"]
"""Those whose inputs would take a run or a training to make."""
_GOOD = [base for verb, bases in BASES.items() for base in bases if verb not in SLOW]


def _folder(above: Path, number: int) -> Path:
    """An empty folder that `..` does not lead out of the test's own."""
    made = above / str(number) / "a" / "b"
    made.mkdir(parents=True)
    return made


@pytest.mark.parametrize("kind", ["options", "rows", "recipe", "set", "own"])
def test_no_command_line_ends_in_a_traceback(kind: str, tmp_path: Path) -> None:
    finds = []
    for seed in range(TRIALS):
        folder = _folder(tmp_path, seed)
        trial = command_lines.trial(seed, folder, [kind])
        if trial.arguments[0] in SLOW:
            continue
        before, read = trying.hashes(folder), command_lines.reads(trial.arguments, folder)
        outcome = trying.judged(trying.in_process(trial.arguments, folder, seed, seconds=300), trial.arguments)
        lost = trying.changed(before, folder) & read
        if outcome.wrong or lost:
            finds.append((seed, [what for what, _ in outcome.wrong], lost, trying.shown(trial.arguments)))
    assert finds == []


def test_no_call_of_the_api_raises_another_error_than_ours(tmp_path: Path) -> None:
    finds = []
    for seed in range(TRIALS):
        folder = _folder(tmp_path, seed)
        call = calls.call(seed, folder)
        if call.name not in SLOW and (wrong := call.tried(seed, folder, seconds=300).wrong):
            finds.append((seed, wrong[0][0], call.shown))
    assert finds == []


@pytest.mark.parametrize("arguments", _GOOD, ids=" ".join)
def test_what_is_distorted_is_good_before(arguments: list[str], tmp_path: Path) -> None:
    """Else the fuzz would look no further than at the first mistake of each command line."""
    folder = _folder(tmp_path, 0)
    fill(folder)
    outcome = trying.in_process(arguments, folder, GOOD, seconds=300)
    if not " ".join(arguments).startswith(tuple(_HAVE_A_BAD_END)):
        assert (outcome.code, outcome.err) == (0, ""), outcome.out
