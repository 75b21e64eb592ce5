"""The commands of a chain, as text, and that each verb accepts its command."""

from __future__ import annotations

import re
import textwrap
from itertools import pairwise
from pathlib import Path

import click
import pytest

from promptcot.chains.cold_start import cold_start_steps
from promptcot.chains.distill import distill_steps
from promptcot.chains.options import model_arguments
from promptcot.chains.recipe import ColdStart, Distill, load_chain
from promptcot.chains.steps import Step
from promptcot.cli import main
from promptcot.cli.root import root
from promptcot.recipe.schema import Model, Price

OUT = Path("D")

DISTILL = """
    promptcot run nano --output-dir D/problems --seed 8000 --target 4000 --until filter
    promptcot chain fresh --data_path D/problems/filter.jsonl --eval_recipe nano --output_path D/fresh.jsonl
    promptcot solve --data_path D/fresh.jsonl --output_path D/traces.jsonl --n 2 --prompts nano --seed 8000
      --model_path nano:solver --temperature 0.6 --max_len 400
    promptcot label --data_path D/traces.jsonl --output_path D/labels.jsonl --sft_path D/sft.jsonl --min-agreement 0.7
      --prompts nano --seed 8000
    promptcot eval nano --output-dir D/eval-before --model nano:base --n 8 --keep-going --set seed=8000
    promptcot train nano-student --model_path nano:base --data_path D/sft.jsonl --output_dir D/student --set seed=8000
    promptcot eval nano --output-dir D/eval-after --model D/student/model --n 8 --keep-going --set seed=8000
    promptcot chain mismatch --data_path D/sft.jsonl --seed 8000 --output_path D/wrong.jsonl
    promptcot train nano-student --model_path nano:base --data_path D/wrong.jsonl --output_dir D/control --set seed=8000
    promptcot eval nano --output-dir D/eval-control --model D/control/model --n 8 --keep-going --set seed=8000
    promptcot chain students --before D/eval-before --after D/eval-after --control D/eval-control
      --model_path D/student/model --output_path D/results.json
"""

COLD_START = """
    promptcot extract --data_path nano --output_path D/extracted.jsonl --limit_rows 800 --n 2 --n 3
      --annotator annotator=nano:annotator --temperature 0.6 --max_len 512 --prompts nano --seed 8000 --max_retries 2
    promptcot explain --data_path D/extracted.jsonl --output_path D/explained.jsonl
      --annotator annotator=nano:annotator --temperature 0.6 --max_len 512 --prompts nano --seed 8000 --max_retries 2
    promptcot judge --data_path D/explained.jsonl --output_path D/judged-a.jsonl --judge a --model_path nano:judge-a
      --temperature 0.0 --max_len 512 --prompts nano --seed 8000
    promptcot judge --data_path D/explained.jsonl --output_path D/judged-b.jsonl --judge b --model_path nano:judge-b
      --temperature 0.0 --max_len 400 --prompts nano --seed 8000
    promptcot filter --template D/judged-a.jsonl --template D/judged-b.jsonl --only_perfect true
      --output_path D/accepted.jsonl
    promptcot train-rows --data_path D/accepted.jsonl --output_path D/rows.jsonl --concepts_path D/concepts.jsonl
      --prompts nano
    promptcot train nano-generator --model_path nano:base --data_path D/rows.jsonl --output_dir D/generator
      --set seed=8000
    promptcot encode --data_path D/concepts.jsonl --output_path D/vectors.safetensors --model_path nano:base
    promptcot sample --data_path D/concepts.jsonl --output_path D/prompts.jsonl --data_size 200 --size 2 --size 3
      --temperature 0.25 --counts raw --levels AMC12,AIME,HMMT-Feb --prompts nano --seed 8000
      --embed_path D/vectors.safetensors
    promptcot generate --data_path D/prompts.jsonl --output_path D/before.jsonl --model_path nano:base
      --temperature 0.7 --max_len 400 --seed 8000 --keep_going
    promptcot generate --data_path D/prompts.jsonl --output_path D/after.jsonl --model_path D/generator/model
      --temperature 0.7 --max_len 400 --seed 8000 --keep_going
    promptcot chain generators --prompts_path D/prompts.jsonl --trained_on D/rows.jsonl --before D/before.jsonl
      --after D/after.jsonl --nano --output_path D/results.json
"""


def commands(text: str) -> list[str]:
    """One command a line; deeper lines go on."""
    return re.sub(r"\n  +", " ", textwrap.dedent(text)).strip().splitlines()


def distill(*changes: str) -> list[Step]:
    recipe = load_chain("distill-nano", changes)
    assert isinstance(recipe, Distill)
    return distill_steps(recipe, OUT)


def cold_start(*changes: str) -> list[Step]:
    recipe = load_chain("cold-start-nano", changes)
    assert isinstance(recipe, ColdStart)
    return cold_start_steps(recipe, OUT)


def test_the_commands_of_the_shipped_distillation() -> None:
    assert [step.shown for step in distill()] == commands(DISTILL)


def test_the_commands_of_the_shipped_cold_start() -> None:
    assert [step.shown for step in cold_start()] == commands(COLD_START)


@pytest.mark.parametrize("step", [*distill(), *cold_start()], ids=lambda step: f"{step.arguments[0]}-{step.name}")
def test_a_verb_understands_the_command_that_a_chain_writes(step: Step) -> None:
    command: click.Command = root
    arguments = list(step.arguments)
    context = click.Context(root, **root.context_settings)
    while isinstance(command, click.Group):
        found = command.get_command(context, arguments.pop(0))
        assert found is not None
        command = found
    command.make_context(step.name, arguments, parent=context)


@pytest.mark.parametrize("steps", [distill(), cold_start()], ids=["distill", "cold-start"])
def test_a_step_reads_what_steps_before_it_have_made(steps: list[Step]) -> None:
    made: set[Path] = set()
    for step in steps:
        # the concepts are a second output of the step that makes the rows
        assert set(step.inputs) <= made | {OUT / "concepts.jsonl"}
        made.add(step.product)
    assert len(made) == len(steps) == len({step.name for step in steps})
    assert [step.always for step in steps] == [False] * (len(steps) - 1) + [True]


def test_each_input_of_a_step_stands_in_its_command() -> None:
    for step in [*distill(), *cold_start()]:
        named = {Path(argument) for argument in step.arguments}
        assert all(path in named or path.parent in named for path in step.inputs)


def test_without_a_control_no_step_is_about_it() -> None:
    steps = distill("control=false")
    assert not any("control" in step.shown or "wrong" in step.shown for step in steps)
    assert len(steps) == len(distill()) - 3


def test_a_file_of_problems_takes_the_place_of_the_run_and_is_watched() -> None:
    recipe = load_chain("distill-nano").model_dump(exclude={"problems"}) | {"problems": {"path": "own.jsonl"}}
    first, *_ = distill_steps(Distill.model_validate(recipe), OUT)
    assert first.arguments[:4] == ("chain", "fresh", "--data_path", "own.jsonl")
    assert first.inputs == (Path("own.jsonl"),)


def test_recipes_and_models_of_ones_own_are_watched() -> None:
    changes = ["student.recipe=./mine.toml", "student.model=/models/base", "eval.recipe=eval.toml"]
    by_name = {step.name: step for step in distill(*changes)}
    assert by_name["train"].inputs == (OUT / "sft.jsonl", Path("mine.toml"), Path("/models/base"))
    assert by_name["eval-before"].inputs == (Path("/models/base"), Path("eval.toml"))


def test_several_judges_and_annotators_become_steps_and_options() -> None:
    steps = cold_start('annotate.annotators=["x=one","y=two"]', "judge.1.name=c", "encode.skip=true")
    by_name = {step.name: step for step in steps}
    pairs = [*pairwise(by_name["extract"].arguments)]
    assert [value for option, value in pairs if option == "--annotator"] == ["x=one", "y=two"]
    assert by_name["filter"].inputs == (OUT / "judged-a.jsonl", OUT / "judged-c.jsonl")
    assert "encode" not in by_name
    assert "--embed_path" not in by_name["sample"].arguments


def test_all_that_a_section_says_about_a_model_reaches_the_command() -> None:
    model = Model(
        model="big",
        tokenizer="tok",
        base_url=["http://a/v1", "http://b/v1"],
        omit=["seed"],
        extra_body={"top_k": 20},
        price=Price(prompt=0.5, completion=1.5),
        requests_per_minute=60,
        idle_timeout=9.5,
        chat=True,
        top_p=0.9,
        top_k=20,
        min_p=0.05,
        presence_penalty=-1.0,
        stop=["END", "###"],
        temperature=0.0,
    )
    told = " ".join(model_arguments(model))
    assert told == (
        "--model_path big --tokenizer_path tok --requests_per_minute 60 --idle_timeout 9.5 --top_p 0.9 "
        "--top_k 20 --min_p 0.05 --presence_penalty -1.0 --stop END --stop ### "
        '--base_url http://a/v1 --base_url http://b/v1 --omit seed --extra_body {"top_k": 20} '
        "--temperature 0.0 --max_len 4096 --use_chat_template --price 0.5 1.5"
    )
    own = Model(engine="vllm", n_gpus=2, engine_args=["--max-model-len", "8192"], dtype="bfloat16")
    assert (
        " ".join(model_arguments(own)[2:10])
        == "--dtype bfloat16 --engine vllm --n_gpus 2 --engine_args --max-model-len 8192"
    )


def test_a_dry_run_prints_the_commands_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "out"
    told = ["run", "distill-nano", "--dry-run", "--output-dir", str(target), "--target", "5", "--seed", "1"]
    assert main([*told, "--set", "student.set=['schedule.epochs=2']"]) == 0
    said = capsys.readouterr().out
    assert (
        f"# 1. problems\npromptcot run nano --output-dir {target}/problems --seed 1 --target 5 --until filter\n" in said
    )
    assert f"--output_dir {target}/student --set seed=1 --set schedule.epochs=2\n" in said
    assert not target.exists()
