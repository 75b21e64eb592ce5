"""The shipped training recipes: valid, with the published values, and each with a dry run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from promptcot.cli.report.training import lines
from promptcot.recipe.loading import shipped
from promptcot.training.forecast.dry_run import dry_run
from promptcot.training.recipe import SHIPPED_TRAIN, load_train

PUBLISHED = ["promptcot-ds-1.5b", "promptcot-ds-7b", "promptcot-qwq-32b"]


@pytest.mark.parametrize("name", shipped(SHIPPED_TRAIN))
def test_a_shipped_recipe_is_read_and_dry_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = load_train(name)
    told = "\n".join(lines(dry_run(recipe)))
    assert recipe.name == name
    assert f"dry run of training {name}:" in told
    assert re.search(r"in all +[\d.,]+ [GM]iB", told)
    assert "DOES NOT FIT" not in told
    units = {
        "sft": "packed sequences" if recipe.rows_per_step is None else "rows",
        "dpo": "pairs",
        "grpo": "completions",
    }
    product = f"{recipe.sequences_per_step:,} {units[recipe.method.kind]} = {recipe.parallelism.devices} device"
    assert product in told


def test_all_ten_recipes_ship() -> None:
    others = ["generator-llama3.1-8b", "nano-generator", "nano-student", "nano-dpo", "nano-grpo", "dpo-7b", "grpo-7b"]
    assert shipped(SHIPPED_TRAIN) == sorted([*PUBLISHED, *others])


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_settings_are_the_published_ones(name: str) -> None:
    recipe = load_train(name)
    schedule, large = recipe.schedule, name == "promptcot-qwq-32b"
    assert (schedule.max_length, schedule.epochs, schedule.warmup_steps, schedule.weight_decay) == (16384, 2, 100, 0.01)
    assert schedule.learning_rate == (2e-6 if large else 5e-6)
    assert schedule.kind == "constant_with_warmup"  # WarmupLR of the public DeepSpeed files
    assert (recipe.parallelism.devices, schedule.micro_batch, schedule.accumulation) == (8, 1, 2 if large else 8)
    assert recipe.parallelism.zero == (3 if large else 2)
    assert recipe.parallelism.offload_optimizer
    assert recipe.parallelism.offload_parameters == large
    assert (recipe.precision.dtype, recipe.precision.gradient_checkpointing) == ("bfloat16", True)
    assert (recipe.checkpoints.every, recipe.checkpoints.keep) == (500, 6)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_step_takes_the_published_rows_at_the_published_rate(name: str) -> None:
    recipe = load_train(name)
    published = recipe.published
    assert recipe.schedule.step_by == "rows"
    assert recipe.rows_per_step == published.rows_per_step == (16 if name == "promptcot-qwq-32b" else 64)
    assert recipe.schedule.learning_rate == published.learning_rate
    found = dry_run(recipe)
    assert published.steps == (found.work and found.work.steps)


@pytest.mark.parametrize(
    ("changes", "rows"),
    [
        ([], None),
        (["method.packing=false"], None),
        (["schedule.step_by=sequences"], "about 251 here"),
        (["schedule.accumulation=2"], "has 16 here"),
        (["schedule.step_by=sequences", "schedule.learning_rate=2e-5"], None),
    ],
)
def test_a_published_rate_for_other_steps_is_warned_of(changes: list[str], rows: str | None) -> None:
    told = " ".join(" ".join(lines(dry_run(load_train("promptcot-ds-1.5b", changes)))).split())
    assert ("the learning rate 5e-06 was published for 64 rows a step" in told) == (rows is not None)
    assert rows is None or rows in told


@pytest.mark.parametrize("name", [name for name in shipped(SHIPPED_TRAIN) if not name.startswith("nano")])
def test_models_of_the_hub_are_pinned_and_datasets_say_how_to_pin_them(name: str) -> None:
    recipe = load_train(name)
    assert recipe.model.revision is not None
    assert re.fullmatch("[0-9a-f]{40}", recipe.model.revision)
    if recipe.data.path[0].endswith(".jsonl"):
        return  # of one's own
    assert recipe.data.revision is None
    assert "--set data.revision=COMMIT" in (SHIPPED_TRAIN / f"{name}.toml").read_text(encoding="utf-8")
    assert "--set data.revision=COMMIT" in "\n".join(lines(dry_run(recipe)))
