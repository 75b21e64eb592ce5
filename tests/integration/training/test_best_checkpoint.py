"""Results of real trainings: the best checkpoint, early stopping, a lengthened training, adapters alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from promptcot.errors import InputError
from promptcot.records import Request
from promptcot.storage.json import dumps
from promptcot.training import checkpoints
from promptcot.training.recipe import Benchmark, load_train
from promptcot.training.report.logfile import LogFile
from tests.integration.training.trainings import changes, logged, write_recipe, write_rows

pytestmark = [pytest.mark.engines, pytest.mark.filterwarnings("default")]  # TRL's own, of versions to come

torch.set_num_threads(1)

Train = Callable[..., list[str]]
WATCHED = "{recipe='nano', every=2, problems=6, max_tokens=64}"


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Train:
    """Trains into `tmp_path/NAME` with changed settings, and returns what was said."""
    monkeypatch.setenv("PROMPTCOT_CACHE", str(tmp_path / "cache"))
    rows, recipe = write_rows(tmp_path / "rows.jsonl", 48), write_recipe(tmp_path / "small.toml")

    def run(name: str, **settings: Any) -> list[str]:
        from promptcot.training.run import train

        said: list[str] = []
        train(
            load_train(str(recipe), changes(settings), {"data.path": str(rows), "output_dir": str(tmp_path / name)}),
            said.append,
        )
        return said

    return run


def weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def same(one: Path, other: Path) -> bool:
    ours, theirs = weights(one), weights(other)
    return ours.keys() <= theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def pass_at_1(directory: Path) -> dict[int, float]:
    return {line["step"]: line["pass@1"] for line in LogFile(directory / "log.jsonl").lines() if "pass@1" in line}


async def test_the_model_is_the_best_checkpoint_of_a_training_that_ends_early_killed_or_not(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    from promptcot.training import trainer

    settings = {"checkpoints__every": 3, "checkpoints__keep": 1, "checkpoints__best": "'eval'"}
    settings |= {"checkpoints__patience": 2, "watch__eval": WATCHED, "watch__evaluate_every": 2}
    settings |= {"data__validation": 0.2, "schedule__max_steps": 12, "schedule__learning_rate": 2e-3}
    said = train("whole", **settings)
    whole = tmp_path / "whole"
    found = pass_at_1(whole)
    best = min(found, key=lambda step: (-found[step], step))
    assert list(found) == list(range(2, best + 5, 2))  # two evaluations that were no better, and it ends
    [stopped] = [line for line in said if line.startswith("stopped early")]
    assert stopped.startswith(f"stopped early at step {best + 4}: 2 evaluations in a row without a higher pass@1")
    assert {path.name for path in whole.glob("checkpoint-*")} == {f"checkpoint-{best}", f"checkpoint-{best + 4}"}
    assert same(whole / "model", whole / f"checkpoint-{best}")
    assert not same(whole / "model", whole / f"checkpoint-{best + 4}")
    assert f"step {best} of {best + 4}, the highest pass@1" in (whole / "model" / "README.md").read_text()
    assert "training loss" in (whole / "model" / "README.md").read_text()

    def seal(folder: Path) -> None:
        checkpoints.seal(folder)
        raise SystemExit  # as if it were killed just after

    with monkeypatch.context() as killed:
        killed.setattr(trainer, "seal", seal)
        with pytest.raises(SystemExit):
            train("killed", **settings)
    assert any(line.startswith("resuming from step 2") for line in train("killed", **settings))
    again = train("killed", **settings)
    assert any("to continue, raise checkpoints.patience" in line for line in again)
    assert pass_at_1(tmp_path / "killed") == found
    assert logged(tmp_path / "killed") == logged(whole)
    assert same(tmp_path / "killed" / "model", whole / "model")
    assert await replies_are_those_of_the_local_engine(whole / "model")
    assert measured_alone(whole / "model") == found[best]


async def replies_are_those_of_the_local_engine(folder: Path) -> bool:
    """Whether drawing from a model in the middle of a training gives what `promptcot eval` gets from its folder."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from promptcot.engines.local.engine import LocalEngine
    from promptcot.training.best.evaluation import eval_recipe
    from promptcot.training.best.questions import questions
    from promptcot.training.best.replies import draw

    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder).train(), AutoTokenizer.from_pretrained(folder)
    told = eval_recipe(Benchmark(recipe="nano", n=2, max_tokens=40), chat=False)
    asked = questions(told, tokenizer, problems=4)
    before = torch.get_rng_state()
    drawn = draw(model, tokenizer, asked, stop=[tokenizer.eos_token_id], together=False, half=False)
    assert model.training
    assert torch.equal(torch.get_rng_state(), before)
    engine = LocalEngine(folder, workers=1)
    try:
        requests = [Request(prompt=one.prompt, sampling=one.sampling, seed=one.seed) for one in asked]
        theirs = [await engine.complete(request) for request in requests]
    finally:
        await engine.close()
    assert len({reply.text for reply in drawn}) > 1
    return [(one.text, one.cut_off) for one in drawn] == [(one.text, one.truncated) for one in theirs]


def measured_alone(folder: Path) -> float:
    """pass@1 of a saved model on what it was asked when it was trained."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from promptcot.training.best.deciding import PASS_AT_1
    from promptcot.training.best.evaluation import eval_recipe
    from promptcot.training.best.questions import graders, measured, questions
    from promptcot.training.best.replies import draw

    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    told = eval_recipe(Benchmark(recipe="nano", max_tokens=64), chat=False)
    asked = questions(told, tokenizer, problems=6)
    drawn = draw(model, tokenizer, asked, stop=[tokenizer.eos_token_id], together=False, half=False)
    with graders(told) as judges:
        return measured(told, judges, asked, drawn)[PASS_AT_1]


def test_a_lengthened_training_is_the_longer_one_and_its_adapters_load_alone(tmp_path: Path, train: Train) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    from promptcot import nano

    settings = {"method__lora": "{rank=4, dropout=0.1, save='both'}", "checkpoints__best": "'validation'"}
    settings |= {"data__validation": 0.2, "watch__evaluate_every": 3}
    train("longer", schedule__max_steps=3, **settings)
    told = train("longer", schedule__max_steps=6, **settings)
    train("whole", schedule__max_steps=6, **settings)
    assert "lengthened from 3 to 6 steps, with the data in the order of the longer run" in told
    assert logged(tmp_path / "longer") == logged(tmp_path / "whole")
    assert same(tmp_path / "longer" / "model", tmp_path / "whole" / "model")
    with pytest.raises(InputError, match=r"begun with 6 steps, and the recipe now says 4"):
        train("longer", schedule__max_steps=4, **settings)
    write_rows(tmp_path / "rows.jsonl", 48, seed=3)
    with pytest.raises(InputError, match=r"began with other data or settings:\n  - data\.data\."):
        train("longer", schedule__max_steps=9, **settings)

    folder, ids = tmp_path / "longer" / "adapter", torch.arange(2, 42)[None]
    config = (folder / "adapter_config.json").read_text()
    assert '"base_model_name_or_path": "nano:solver"' in config
    assert str(nano.path("solver")) not in config
    base = AutoModelForCausalLM.from_pretrained(nano.path("solver"), dtype=torch.float32)
    alone = PeftModel.from_pretrained(base, folder).eval()
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "longer" / "model").eval()
    with torch.no_grad():
        difference = (alone(ids).logits - merged(ids).logits).abs().max()
        with alone.disable_adapter():
            assert (alone(ids).logits - merged(ids).logits).abs().max() > 100 * difference
    assert difference < 1e-3


def test_a_benchmark_that_is_in_the_rows_is_refused_before_any_step(tmp_path: Path, train: Train) -> None:
    rows = [{"id": "copied", "prompt": "Find the number of lattice points inside of a circle of radius twelve.\n"}]
    (tmp_path / "bench.jsonl").write_bytes(dumps({"problem": rows[0]["prompt"], "answer": "441", "source": "mine"}))
    with (tmp_path / "rows.jsonl").open("ab") as file:
        file.write(dumps({**rows[0], "completion": "\\boxed{441}"}))
    watched = f"{{recipe='{tmp_path / 'bench.jsonl'}', every=1}}"
    with pytest.raises(InputError, match=r"training rows contain problems of the benchmark[^\n]*\n  - row copied: "):
        train("contaminated", watch__eval=watched, schedule__max_steps=1)
    assert not list((tmp_path / "contaminated").glob("checkpoint-*"))
