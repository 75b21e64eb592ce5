"""Command lines with a mistake: one line that says what is wrong, what may have been meant, and where help is."""

from __future__ import annotations

import json

import pytest

from promptcot.cli import main

CASES = [
    ("generat", "there is no verb 'generat'; did you mean generate? See `promptcot --help`"),
    ("train_row", "there is no verb 'train_row'; did you mean train-rows? See `promptcot --help`"),
    ("zzz", "there is no verb 'zzz'; the verbs are run, init, "),
    ("--versio", "there is no option --versio; did you mean --version? See `promptcot --help`"),
    ("--json run", "there is no option --json before the verb; write the options of a verb after it; see "),
    ("chain --json", "there is no option --json before the command; write the options of a command after it; see "),
    ("chain frsh", "there is no command 'frsh'; did you mean fresh? See `promptcot chain --help`"),
    ("chain zzz", "there is no command 'zzz'; the commands are fresh, mismatch, students, generators; see "),
    ("run --targt 3", "there is no option --targt; did you mean --target? See `promptcot run --help`"),
    ("run --base_ur=x", "there is no option --base-ur; did you mean --base-url? See `promptcot run --help`"),
    ("run --version", "there is no option --version after the verb; write promptcot --version; see "),
    ("run -x", "there is no option -x; see `promptcot run --help`"),
    ("run --target", "--target needs a value; see `promptcot run --help`"),
    ("solve --price 1", "--price needs 2 values; see `promptcot solve --help`"),
    ("clean x --yes=3", "--yes takes no value; see `promptcot clean --help`"),
    ("run --target x", "--target: 'x' is not a valid integer; see `promptcot run --help`"),
    ("run --target 0", "--target: 0 is not in the range x>=1; see `promptcot run --help`"),
    ("run --max-cost x", "--max-cost: 'x' is not a valid number; see `promptcot run --help`"),
    ("run --runner rai", "--runner: 'rai' is not one of 'local', 'ray'; did you mean ray? See `promptcot run --help`"),
    ("nano path judgea", "ROLE: 'judgea' is not one of 'annotator', 'base', "),
    ("filter --only-perfect x", "--only-perfect: 'x' is neither true nor false; see `promptcot filter --help`"),
    ("solve", "--data-path is missing; see `promptcot solve --help`"),
    ("measure", "RUN_OR_FILE is missing; see `promptcot measure --help`"),
    ("run a b", "unexpected argument b; see `promptcot run --help`"),
    ("filter --template x{} --output-path o", "a template with {} needs --n-rewards, the number of judges; see "),
    ("chain fresh --x", "there is no option --x; see `promptcot chain fresh --help`"),
    ("run --batch-size 3", "--batch-size: rows are no longer sent to the cluster in batches"),
]


@pytest.mark.parametrize(("line", "expected"), CASES)
def test_a_mistake_is_one_line(line: str, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == 2
    out, err = capsys.readouterr()
    assert bool(out) == ("--json" in line)
    assert err.startswith(f"promptcot: {expected}")
    assert err.endswith(" --help`\n")
    assert err.count("\n") == 1


@pytest.mark.parametrize(("line", "expected"), CASES)
def test_the_same_words_are_in_json(line: str, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*line.split(), "--json"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert found["error"]["kind"] == "UsageError"


@pytest.mark.parametrize(("line", "missing"), [("", "verb"), ("chain", "command")])
def test_without_a_verb_help_is_shown(line: str, missing: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Usage: promptcot")
    assert "\N{REPLACEMENT CHARACTER}" not in err
