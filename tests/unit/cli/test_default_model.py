"""The embedded models know only the nano world: used by default on other problems, a verb says so."""

import json
from pathlib import Path

import pytest

from promptcot.cli import main

NANO = {"problem": "What is the number halfway between 7 and 19?", "level": "AIME"}
OTHER = {"problem": "What is 2 + 2?", "level": "AIME", "foundational_concepts": ["addition"]}
CONCEPTS = {"prompt": "Concepts:\n1. parity\nLevel: AMC12\n", "foundational_concepts": ["parity"]}
SERVER = ["--base-url", "http://127.0.0.1:9/v1"]


@pytest.mark.parametrize(
    ("verb", "row", "more", "warned"),
    [
        ("verify", OTHER, [], "verifier"),
        ("solve", OTHER, [], "solver"),
        ("extract", OTHER, [], "annotator"),
        ("judge", {**OTHER, "completion": "x", "rationale": "y"}, [], "judge-a"),
        ("generate", {**CONCEPTS, "foundational_concepts": ["primes"]}, [], "generator"),
        ("verify", NANO, [], None),
        ("generate", CONCEPTS, [], None),
        ("generate", {"prompt": "Hello"}, [], None),
        ("verify", OTHER, ["--model-path", "nano:verifier"], None),
        ("verify", OTHER, SERVER, None),
    ],
)
def test_a_verb_warns_if_its_default_model_does_not_know_the_problems(
    verb: str,
    row: dict[str, object],
    more: list[str],
    warned: str | None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "rows.jsonl").write_text(f"{json.dumps(row)}\n")
    paths = ["--data-path", str(tmp_path / "rows.jsonl"), "--output-path", str(tmp_path / "out.jsonl")]
    assert main([verb, *paths, "--dry-run", "--json", *more]) == 0
    warnings = json.loads(capsys.readouterr().out)["warnings"]
    assert [one.partition(" ")[0] for one in warnings] == ([f"nano:{warned}"] if warned else [])
