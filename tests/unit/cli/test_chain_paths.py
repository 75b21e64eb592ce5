"""A chain is given inputs of its own, which no step may replace, not even one that does not read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptcot.chains.cold_start import cold_start_steps
from promptcot.chains.distill import distill_steps
from promptcot.chains.recipe import ColdStart, Distill, load_chain
from promptcot.chains.steps import Step
from promptcot.cli import main
from promptcot.cli.run_chain import check_steps


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_chains_that_ship_replace_nothing() -> None:
    cold, distilled = load_chain("cold-start-nano", []), load_chain("distill-nano", [])
    assert isinstance(cold, ColdStart)
    assert isinstance(distilled, Distill)
    for again in (False, True):
        check_steps(cold_start_steps(cold, Path("out")))
        check_steps(distill_steps(distilled, Path("out")))
        if not again:  # nor where they have run before
            for step in (*cold_start_steps(cold, Path("out")), *distill_steps(distilled, Path("out"))):
                made = step.product if step.product.suffix else step.product / "config.json"
                made.parent.mkdir(parents=True, exist_ok=True)
                made.write_text("{}\n")


def test_what_the_first_step_reads_is_safe_from_the_last(capsys: pytest.CaptureFixture[str]) -> None:
    rows = Path("out/accepted.jsonl")  # which the step `filter` writes
    rows.parent.mkdir()
    rows.write_text('{"problem": "1 + 1?", "level": "AIME"}\n')
    assert main(["run", "cold-start-nano", "--output-dir", "out", "--set", f"seeds.path={rows}"]) == 2
    assert f"{rows}: this file would be replaced by the output {rows}" in capsys.readouterr().err
    assert rows.read_text().startswith('{"problem"')
    assert list(Path("out").iterdir()) == [rows]


def test_the_names_of_a_step_are_those_of_its_command() -> None:
    step = Step("s", ("sample", "--data_path", "nano", "--output_path", "x.jsonl"), Path("x.jsonl"))
    check_steps([step, Step("f", ("filter", "--template", "x.jsonl", "--output_path", "y.jsonl"), Path("y.jsonl"))])
