"""Recipes of chains: the shipped ones are valid, mistakes are named, and none is mistaken for a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptcot.chains.recipe import ColdStart, Distill, is_chain, load_chain
from promptcot.cli import main
from promptcot.errors import RecipeError
from promptcot.evaluation.recipe import load_eval
from promptcot.recipe.loading import load, shipped
from promptcot.training.recipe import load_train

CHAINS = [name for name in shipped() if is_chain(name)]


def test_the_shipped_chains_are_these_two() -> None:
    assert CHAINS == ["cold-start-nano", "distill-nano"]


def test_the_recipes_that_a_shipped_chain_names_ship_too_and_start_from_its_models() -> None:
    distill, cold = load_chain("distill-nano"), load_chain("cold-start-nano")
    assert isinstance(distill, Distill)
    assert isinstance(cold, ColdStart)
    assert load(str(distill.problems.recipe)).prompts == load_eval(distill.eval.recipe).prompts == distill.prompts
    assert load_train(distill.student.recipe).model.path == distill.student.model
    assert load_train(cold.generator.recipe).model.path == cold.generator.model


@pytest.mark.parametrize(
    "change",
    [
        "teacher.engine_args=['--hf-token=abc-def-1']",
        "teacher.engine_args=['--api-key', 'abc-def-1']",
        "teacher.engine_args='--max-model-len 5 --otlp-traces-endpoint http://me:abc-def-1@host'",
        "teacher.extra_body={api_key='abc-def-1'}",
        "teacher.base_url='http://me:abc-def-1@host/v1'",
        "teacher.api_key_env='abc-def-1'",
        "student.set=['model.api_key=abc-def-1']",
        "eval.set=['server.base_url=http://me:abc-def-1@host/v1']",
    ],
)
def test_no_step_of_a_chain_is_started_with_a_key_on_its_command_line(
    change: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "distill-nano", "--dry-run", "--set", change]) in (1, 2)
    told = "".join(capsys.readouterr())
    assert "abc-def-1" not in told
    assert "promptcot solve" not in told


def test_options_that_only_look_like_keys_are_handed_on() -> None:
    changes = ["teacher.engine_args='--max-model-len 5 -tp 2 --tokenizer t'", "eval.set=['server.api_key_env=MY_KEY']"]
    chain = load_chain("distill-nano", changes)
    assert isinstance(chain, Distill)
    assert chain.teacher.engine_args == ["--max-model-len", "5", "-tp", "2", "--tokenizer", "t"]


def test_changes_options_and_targets_reach_their_keys() -> None:
    distill = load_chain("distill-nano", ["teacher.n=7", "eval.limit_rows=5"], seed=3, target=11)
    assert isinstance(distill, Distill)
    assert (distill.teacher.n, distill.eval.limit_rows, distill.seed, distill.problems.target) == (7, 5, 3, 11)
    cold = load_chain("cold-start-nano", ["judge.0.name=z"], target=9)
    assert isinstance(cold, ColdStart)
    assert (cold.sample.n, cold.judge[0].name, cold.seed) == (9, "z", 8000)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("distill-nano", "teacher.modle=x", r"teacher\.modle: unknown key; did you mean model\?"),
        ("cold-start-nano", "generatr.recipe=x", r"generatr: unknown key; did you mean generator\?"),
        ("distill-nano", "problems.path=rows.jsonl", "give path \\(a file of problems\\) or recipe"),
        ("cold-start-nano", "annotate.model=nano:annotator", "annotators and model cannot be combined"),
        ("cold-start-nano", "judge.0.name=b", "two judges have the same name"),
        ("distill-nano", "chain=distil", "no chain 'distil'; known are distill, cold-start"),
        ("distill-nano", "chain=[1]", r"no chain \[1\]"),
    ],
)
def test_a_mistake_in_a_chain_is_named(name: str, change: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        load_chain(name, [change])


def test_a_file_of_problems_takes_no_target(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text(
        'chain = "distill"\nproblems = { path = "rows.jsonl", target = 3 }\nteacher = {}\n'
        'student = { recipe = "nano-student", model = "nano:base" }\neval = { recipe = "nano" }\n'
    )
    with pytest.raises(RecipeError, match="target and set apply to recipe only"):
        load_chain(str(file))


def test_what_wants_a_run_says_that_a_chain_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "distill-nano"]) == 1
    assert "a chain of commands, not one run of the pipeline" in capsys.readouterr().err


def test_options_of_a_run_are_refused_for_a_chain(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "distill-nano", "--max-candidates", "3", "--dry-run"]) == 2
    assert "--max-candidates is for runs of the pipeline" in capsys.readouterr().err
