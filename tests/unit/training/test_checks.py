"""All problems of a training are reported together, before anything is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from promptcot.engines.machine import Gpu
from promptcot.errors import RecipeError, UsageError
from promptcot.training import checks
from promptcot.training.checks import check, check_files
from promptcot.training.recipe import TrainRecipe


def recipe(**sections: Any) -> TrainRecipe:
    model = {"path": "nano:base", **sections.pop("model", {})}
    return TrainRecipe.model_validate({"model": model, "data": {"path": __file__}, **sections})


def test_all_faults_are_told_together() -> None:
    wrong = recipe(
        model={"path": "OWNER/NAME", "chat_template": "no.jinja", "attention": "flash_attention_3"},
        watch={"report_to": ["wandb"]},
    )
    with pytest.raises(RecipeError) as told:
        check(wrong)
    for fault in ("no.jinja: no such file", "package flash_attn_interface", "package wandb", "needs model.revision"):
        assert fault in str(told.value)
    assert str(told.value).startswith("training unnamed: 4 mistakes")


def test_missing_files_and_datasets_without_a_commit_are_told_before_a_model_is_fetched() -> None:
    with pytest.raises(RecipeError) as told:
        check(recipe(data={"path": ["OWNER/ROWS", "no.jsonl"], "validation": "none.jsonl"}))
    assert [mistake.split(": ")[1] for mistake in told.value.mistakes] == ["OWNER/ROWS", "no.jsonl", "none.jsonl"]
    assert "needs data.revision" in told.value.mistakes[0]
    assert [*told.value.mistakes[1:]] == [
        "data.path: no.jsonl: no such file; --data_path names another",
        "data.validation: none.jsonl: no such file",
    ]


def test_a_benchmark_that_does_not_exist_is_told_with_the_rest() -> None:
    with pytest.raises(RecipeError, match=r"watch\.eval: no benchmark is called 'aime' and"):
        check(recipe(watch={"eval": {"recipe": "aime"}}))


@pytest.mark.parametrize(
    ("sections", "mistake"),
    [
        ({"checkpoints": {"best": "validation"}}, "needs rows that are held out: set data.validation"),
        ({"checkpoints": {"best": "eval"}}, "needs a benchmark: set watch.eval.recipe"),
        ({"checkpoints": {"patience": 2}}, "checkpoints.patience needs checkpoints.best"),
        (
            {"watch": {"eval": {"recipe": "nano"}}, "parallelism": {"zero": 3, "offload_parameters": True}},
            "watch.eval does not work with offload_parameters",
        ),
    ],
)
def test_a_choice_that_nothing_is_measured_for_is_told(sections: Any, mistake: str) -> None:
    with pytest.raises(ValueError, match=mistake):
        recipe(**sections)


def test_a_benchmark_in_the_place_of_the_training_is_refused(tmp_path: Path) -> None:
    bench = tmp_path / "log.jsonl"
    bench.write_text('{"problem": "1 + 1", "answer": "2", "source": "mine"}\n')
    with pytest.raises(UsageError, match=r"log\.jsonl"):
        check_files(recipe(output_dir=str(tmp_path), watch={"eval": {"recipe": str(bench)}}))


def test_an_embedded_model_needs_no_revision() -> None:
    check(recipe())


def test_the_optimizer_on_the_host_of_gpus_needs_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "visible_gpus", lambda: [Gpu(0, "GPU-0", "H100", 80 << 30, 80 << 30)])
    monkeypatch.setattr(checks.shutil, "which", lambda name: None)
    offloaded = recipe(parallelism={"zero": 2, "offload_optimizer": True})
    with pytest.raises(RecipeError, match="no C\\+\\+ compiler"):
        check(offloaded)
    check(recipe(parallelism={"zero": 2}))
