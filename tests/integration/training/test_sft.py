"""Real trainings by TRL in this process: packing, validation, resuming after an interruption, and bad input."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from promptcot.errors import InputError
from promptcot.storage.json import dumps, loads
from promptcot.training import checkpoints
from promptcot.training.checkpoints import latest
from promptcot.training.recipe import load_train
from tests.integration.training.trainings import ALIKE, changes, logged, losses, write_recipe, write_rows

pytestmark = [pytest.mark.engines, pytest.mark.filterwarnings("default")]  # TRL's own, of versions to come

torch.set_num_threads(1)

ROWS, PACKS = 48, 13

Train = Callable[..., list[str]]


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Train:
    """Trains into `tmp_path/NAME` with changed settings, and returns what was said."""
    monkeypatch.setenv("PROMPTCOT_CACHE", str(tmp_path / "cache"))
    rows, recipe = write_rows(tmp_path / "rows.jsonl", ROWS), write_recipe(tmp_path / "small.toml")

    def run(name: str, **settings: Any) -> list[str]:
        from promptcot.training.run import train

        given = {} if "data__mix" in settings else {"data.path": str(rows)}
        given |= {"output_dir": str(tmp_path / name)}
        said: list[str] = []
        train(load_train(str(recipe), changes(settings), given), said.append)
        return said

    return run


def weights(directory: Path) -> dict[str, Any]:
    from safetensors.numpy import load_file

    return load_file(directory / "model" / "model.safetensors")


def same(one: Path, other: Path) -> bool:
    ours, theirs = weights(one), weights(other)
    return ours.keys() == theirs.keys() and all(np.array_equal(ours[name], theirs[name]) for name in ours)


def test_packed_and_padded_training_have_the_same_losses(tmp_path: Path, train: Train) -> None:
    told = train("packed", schedule__max_steps=6, schedule__accumulation=PACKS)
    [packing] = [line for line in told if line.startswith("packing")]
    assert packing.startswith(f"packing: {ROWS} rows in {PACKS} sequences")  # so that each step sees all rows
    train("padded", method__packing=False, schedule__max_steps=6, schedule__micro_batch=8, schedule__accumulation=6)
    packed, padded = losses(tmp_path / "packed"), losses(tmp_path / "padded")
    assert packed[0] == pytest.approx(padded[0], abs=1e-3)
    assert packed == pytest.approx(padded, abs=1e-2)
    assert packed[-1] < packed[0] - 0.5


def test_the_validation_loss_is_that_of_the_rows_held_out(tmp_path: Path, train: Train) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    held_out = write_rows(tmp_path / "held_out.jsonl", 10, seed=2)
    settings = {"schedule__max_steps": 2, "watch__evaluate_every": 2, "data__validation": f"'{held_out}'"}
    train("validated", **settings)
    [found] = [line["eval_loss"] for line in logged(tmp_path / "validated") if "eval_loss" in line]
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "validated" / "model")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "validated" / "model")
    assert found == pytest.approx(mean_loss(model, tokenizer, held_out), rel=1e-3)
    assert found != pytest.approx(mean_loss(model, tokenizer, tmp_path / "rows.jsonl"), rel=1e-3)


def mean_loss(model: Any, tokenizer: Any, rows: Path) -> float:
    """Over all tokens of the completions and their ends, each row alone."""
    from promptcot.storage.rows import read_rows

    total, count = 0.0, 0
    for row in read_rows(rows):
        prompt = tokenizer(row["prompt"])["input_ids"]
        ids = [*prompt, *tokenizer(row["completion"])["input_ids"], tokenizer.eos_token_id]
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0, len(prompt) - 1 : -1]
        expected = torch.tensor(ids[len(prompt) :])
        total += float(torch.nn.functional.cross_entropy(logits, expected, reduction="sum"))
        count += len(expected)
    return total / count


def test_a_damaged_checkpoint_is_passed_over_and_the_model_is_the_same(tmp_path: Path, train: Train) -> None:
    settings = {"checkpoints__every": 2, "schedule__max_steps": 6, "method__lora": "{rank=4, dropout=0.1}"}
    train("whole", **settings)
    train("damaged", **settings)
    damaged = tmp_path / "damaged" / "checkpoint-6" / "optimizer.pt"
    size = damaged.stat().st_size
    damaged.write_bytes(damaged.read_bytes()[:-1])
    (tmp_path / "damaged" / "checkpoint-4" / "trainer_state.json").unlink()
    told = train("damaged", **settings)
    assert [line for line in told if line.startswith("note")] == [
        f"note: checkpoint-6 is incomplete (optimizer.pt has {size - 1:,} bytes instead of {size:,}); "
        "using an older one",
        "note: checkpoint-4 is incomplete (trainer_state.json is missing); using an older one",
    ]
    assert "resuming from step 2 (checkpoint-2)" in told
    assert logged(tmp_path / "damaged") == logged(tmp_path / "whole")
    assert same(tmp_path / "damaged", tmp_path / "whole")


def test_with_one_checkpoint_to_keep_the_old_one_goes_when_the_new_one_is_whole(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    from promptcot.training import trainer

    settings = {"checkpoints__every": 1, "checkpoints__keep": 1, "schedule__max_steps": 3}
    sealed: list[Path] = []

    def seal(folder: Path) -> None:
        if folder.name == "checkpoint-2":
            raise SystemExit  # as if it were killed just before
        sealed.append(folder)
        checkpoints.seal(folder)

    with monkeypatch.context() as killed:
        killed.setattr(trainer, "seal", seal)
        with pytest.raises(SystemExit):
            train("one", **settings)
    assert sealed == [tmp_path / "one" / "checkpoint-1"]
    told = train("one", **settings)
    assert "note: checkpoint-2 is incomplete (it is unfinished: no contents.json); using an older one" in told
    assert [folder.name for folder in sorted((tmp_path / "one").glob("checkpoint-*"))] == ["checkpoint-3"]


def test_when_asked_to_stop_it_writes_a_checkpoint_and_goes_on_from_there(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    from promptcot.training import stopping

    settings = {"schedule__max_steps": 5, "method__lora": "{rank=4, dropout=0.1}"}
    train("unasked", **settings)
    handler = signal.getsignal(signal.SIGTERM)

    class Asked(stopping.Stopper):
        def on_step_begin(self, args: Any, state: Any, *_: Any, **__: Any) -> None:
            if state.global_step == 2:
                signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as asked:
        asked.setattr("promptcot.training.run.Stopper", Asked)
        with pytest.raises(KeyboardInterrupt):
            train("asked", **settings)
    assert signal.getsignal(signal.SIGTERM) is handler
    assert "resuming from step 3 (checkpoint-3)" in train("asked", **settings)
    assert logged(tmp_path / "asked") == logged(tmp_path / "unasked")
    assert same(tmp_path / "asked", tmp_path / "unasked")


def test_a_finished_training_takes_no_further_step(tmp_path: Path, train: Train) -> None:
    train("once", schedule__max_steps=3)
    train("twice", schedule__max_steps=3)
    told = train("twice", schedule__max_steps=3)
    assert "resuming from step 3 (checkpoint-3)" in told
    assert logged(tmp_path / "twice", ALIKE) == logged(tmp_path / "once", ALIKE)
    assert same(tmp_path / "once", tmp_path / "twice")


def test_rows_that_changed_since_the_checkpoint_are_refused(tmp_path: Path, train: Train) -> None:
    train("changed", schedule__max_steps=2)
    write_rows(tmp_path / "rows.jsonl", ROWS, seed=3)
    with pytest.raises(
        InputError, match=r"began with other data or settings:\n  - data\.data\..*rows\.jsonl.* before, .* now"
    ):
        train("changed", schedule__max_steps=2)


def test_a_mix_goes_on_with_the_rows_that_it_would_have_had(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    from promptcot.training import stopping

    few = write_rows(tmp_path / "few.jsonl", 5, seed=2)
    mix = f"[{{path='{tmp_path / 'rows.jsonl'}', weight=0.5}}, {{path='{few}', weight=0.5}}]"
    settings = {"data__path": "[]", "data__mix": mix, "schedule__max_steps": 4}
    told = train("whole", **settings)
    assert f"data: mix: {few}: 26 rows of an epoch (0.5), each of its 5 rows 5.20 times" in told

    class Asked(stopping.Stopper):
        def on_step_begin(self, args: Any, state: Any, *_: Any, **__: Any) -> None:
            if state.global_step == 1:
                signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as asked:
        asked.setattr("promptcot.training.run.Stopper", Asked)
        with pytest.raises(KeyboardInterrupt):
            train("stopped", **settings)
    assert "resuming from step 2 (checkpoint-2)" in train("stopped", **settings)
    assert logged(tmp_path / "stopped") == logged(tmp_path / "whole")
    other = {**settings, "data__mix": mix.replace("0.5", "0.4", 1).replace("weight=0.5", "weight=0.6")}
    with pytest.raises(InputError, match=r"data\.1: .*rows\.jsonl\.weight: 0\.5 before, 0\.4 now"):
        train("stopped", **other)


def test_settings_that_changed_since_the_checkpoint_are_refused(train: Train) -> None:
    train("settings", schedule__max_steps=2)
    with pytest.raises(InputError, match=r"settings\.schedule\.learning_rate: 0\.001 before, 0\.01 now"):
        train("settings", schedule__max_steps=2, schedule__learning_rate=0.01)


def test_other_rows_for_validation_are_refused(tmp_path: Path, train: Train) -> None:
    held_out = write_rows(tmp_path / "held_out.jsonl", 10, seed=2)
    held_out.write_bytes(held_out.read_bytes() + (tmp_path / "rows.jsonl").read_bytes().splitlines(True)[0])
    said = train("validated", schedule__max_steps=2, data__validation=f"'{held_out}'")
    assert any("of 11 rows of validation have a prompt that is also in the training rows" in line for line in said)
    write_rows(held_out, 10, seed=3)
    with pytest.raises(InputError, match=r"validation\.data\..*held_out\.jsonl: "):
        train("validated", schedule__max_steps=2, data__validation=f"'{held_out}'")


def test_a_gradient_that_is_no_number_takes_no_step_and_spoils_no_checkpoint(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    from promptcot.training.trainer import Diverged, Trainer

    def training_step(self: Any, model: Any, *args: Any, **named: Any) -> Any:
        loss = ordinary(self, model, *args, **named)
        if self.state.global_step == 2:
            next(model.parameters()).grad[0, 0] = float("nan")
        return loss

    ordinary = Trainer.training_step
    monkeypatch.setattr(Trainer, "training_step", training_step)
    with pytest.raises(Diverged, match=r"step 3: the norm of the gradient is nan, on the rows r\d+, "):
        train("spoilt", checkpoints__every=1, schedule__max_steps=6)
    assert latest(tmp_path / "spoilt").step == 2


def test_a_training_that_diverges_stops_and_names_the_rows(tmp_path: Path, train: Train) -> None:
    from promptcot.training.trainer import Diverged

    with pytest.raises(
        Diverged, match=r"step \d: the (loss|norm of the gradient) is nan, on the rows r\d+, "
    ) as stopped:
        train("diverged", schedule__learning_rate=1e30, schedule__max_steps=6, schedule__max_grad_norm=1e9)
    named = str(stopped.value).split("on the rows ")[1].splitlines()[0]
    assert all(name.strip(". ").startswith("r") for name in named.split(","))
    assert not (tmp_path / "diverged" / "model").exists()


def test_tensorboard_gets_its_files_where_it_is_asked_for(tmp_path: Path, train: Train) -> None:
    train("shown", schedule__max_steps=2, watch__report_to="['tensorboard']")
    assert list((tmp_path / "shown").rglob("events.out.tfevents.*"))


def test_rows_that_cannot_be_learnt_are_counted(tmp_path: Path, train: Train) -> None:
    rows = tmp_path / "rows.jsonl"
    bad = [{"id": "no answer", "prompt": "1 + 1\n"}, {"id": "long", "prompt": "1 + " * 200, "completion": "200"}]
    bad.append({"id": "quoted", "prompt": "1\n", "completion": "1<eos> = 1"})
    bad.append({"id": "cut", "prompt": "1\n", "completion": "1 = " * 200})
    rows.write_bytes(rows.read_bytes() + b"".join(map(dumps, bad)))
    [data, *ways_out] = [line for line in train("counted", schedule__max_steps=1) if line.startswith("data")]
    assert data.startswith(f"data: {ROWS + 4} rows, {ROWS} kept; ")
    assert "1 dropped (prompt too long)" in data
    assert "1 dropped (special token in the completion)" in data
    assert "1 dropped (too long)" in data
    assert len(ways_out) == 2
    left_out = [loads(line) for line in (tmp_path / "counted" / "dropped.jsonl").read_bytes().splitlines()]
    assert {row["id"]: row["reason"] for row in left_out} == {
        "no answer": "no completion",
        "long": "prompt too long",
        "quoted": "special token in the completion",
        "cut": "too long",
    }
