"""The log, progress lines and counts of the callback, called as by transformers' trainer."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from promptcot import nano
from promptcot.errors import InputError
from promptcot.evaluation import figures
from promptcot.training.recipe import TrainRecipe
from promptcot.training.report import samples
from promptcot.training.report.logfile import LogFile
from promptcot.training.report.watching import Meter, Scale, Watcher, human

torch.set_num_threads(1)

ARGS = SimpleNamespace(world_size=2, device="cpu")


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


class Store:
    """Three rows of prompt and completion, as ids of the nano tokenizer."""

    def __init__(self, tokenizer: Any) -> None:
        texts = [("1 + 1 = ", "2"), ("A problem of three words: ", "yes"), ("2 + 2 = ", "4")]
        self._rows = [tuple(tokenizer(text).input_ids for text in row) for row in texts]

    def __len__(self) -> int:
        return len(self._rows)

    def row(self, place: int, /) -> tuple[Any, int]:
        prompt, completion = self._rows[place]
        return np.array(prompt + completion), len(prompt)

    def id(self, place: int, /) -> str:
        return f"row-{place}"


def recipe(**watch: Any) -> TrainRecipe:
    return TrainRecipe.model_validate(
        {"model": {"path": "nano:solver"}, "data": {"path": "rows.jsonl"}, "watch": {"samples": 0, **watch}}
    )


def state(step: int, *, first: bool = True, steps: int = 100) -> SimpleNamespace:
    return SimpleNamespace(global_step=step, max_steps=steps, epoch=step / steps, is_world_process_zero=first)


class Training:
    """A watcher in a training of 100 steps, ten seconds each, a line every ten steps."""

    def __init__(self, directory: Path, told: TrainRecipe | None = None, **given: Any) -> None:
        self.clock, self.said, self.log = Clock(), list[str](), LogFile(directory / "log.jsonl")
        told = (told or recipe()).model_copy(update={"output_dir": str(directory)})
        tokenizer, store = given.pop("tokenizer", None), given.pop("store", ())
        self.watcher = Watcher(told, tokenizer, store, Scale(**given), self.said.append, self.clock)

    def begin(self, step: int = 0, *, first: bool = True) -> None:
        self.watcher.on_train_begin(ARGS, state(step, first=first), None)

    def steps(self, last: int, *, loss: float = 0.5, first: bool = True) -> None:
        self.clock.time += 100
        self.watcher.meter.add(4000, 1000)
        now = state(last, first=first)
        self.watcher.on_step_end(ARGS, now, None)
        logs = {"loss": loss, "learning_rate": 4.1e-6, "grad_norm": 1.5, "mean_token_accuracy": 0.75}
        self.watcher.on_log(ARGS, now, None, logs=logs)

    def evaluate(self, step: int, seconds: float) -> None:
        self.clock.time += seconds
        self.watcher.on_log(ARGS, state(step), None, logs={"eval_loss": 0.625, "eval_runtime": seconds})
        self.watcher.on_evaluate(ARGS, state(step), None, metrics={})

    def save(self, step: int, seconds: float = 0, model: Any = None) -> None:
        self.clock.time += seconds
        self.watcher.on_save(ARGS, state(step), None, model=model)

    def lines(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.log.lines() if line["event"] == event]


def test_a_line_holds_what_the_trainer_logged_and_what_was_counted(tmp_path: Path) -> None:
    training = Training(tmp_path, flops_per_token=6e9, peak=1e12)
    training.begin()
    training.steps(10)
    [line] = training.lines("logged")
    assert (line["step"], line["steps"], line["epoch"], line["loss"]) == (10, 100, 0.1, 0.5)
    assert (line["learning_rate"], line["grad_norm"], line["mean_token_accuracy"]) == (4.1e-6, 1.5, 0.75)
    assert (line["tokens"], line["completion_tokens"], line["seconds"]) == (4000, 1000, 100)
    assert line["tokens_per_s"] == pytest.approx(40)
    assert line["mfu"] == pytest.approx(40 * 6e9 / 2e12)
    assert line["memory_bytes"] > 1 << 20
    assert training.said[-1] == "step 10/100  loss 0.5  lr 4.1e-06  40 tokens/s  MFU 12 %  15 min left"


def test_without_a_known_peak_there_is_no_mfu(tmp_path: Path) -> None:
    training = Training(tmp_path, flops_per_token=6e9, peak=None)
    training.begin()
    training.steps(10)
    assert training.lines("logged")[0]["mfu"] is None
    assert "MFU" not in training.said[-1]


def test_evaluating_and_saving_do_not_slow_the_rate(tmp_path: Path) -> None:
    training = Training(tmp_path)
    training.begin()
    training.steps(10)
    training.evaluate(10, seconds=500)
    training.save(10, seconds=300)
    training.steps(20)
    first, second = training.lines("logged")
    assert first["tokens_per_s"] == second["tokens_per_s"] == pytest.approx(40)
    assert second["seconds"] == 1000
    [evaluated] = training.lines("evaluated")
    assert (evaluated["step"], evaluated["eval_loss"]) == (10, 0.625)
    assert "step 10/100  validation loss 0.625" in training.said


def test_a_resumed_training_has_each_step_once_and_counts_on(tmp_path: Path) -> None:
    before = Training(tmp_path)
    before.begin()
    before.steps(10)
    before.steps(20)
    before.save(20)
    before.steps(30, loss=0.9)
    with before.log.path.open("ab") as file:
        file.write(b'{"event":"logged","step":4')  # killed in the middle of a line
    after = Training(tmp_path)
    after.begin(20)
    after.steps(30, loss=0.3)
    assert [line["step"] for line in after.lines("logged")] == [10, 20, 30]
    assert [line["loss"] for line in after.lines("logged")] == [0.5, 0.5, 0.3]
    last = after.lines("logged")[-1]
    assert (last["tokens"], last["completion_tokens"], last["seconds"]) == (12000, 3000, 300)
    assert last["tokens_per_s"] == pytest.approx(40)
    assert [line["event"] for line in after.log.lines()][-2] == "resumed"
    assert after.said[0].startswith("resumed: from step 20 of 100 steps")
    assert "12 min left" in after.said[-1]  # 70 steps of 10 seconds: the 20 that were there cost nothing


def test_a_training_that_begins_anew_begins_its_log_anew(tmp_path: Path) -> None:
    Training(tmp_path).begin()
    before = Training(tmp_path)
    before.begin()
    before.steps(10)
    after = Training(tmp_path)
    after.begin()
    assert [line["event"] for line in after.log.lines()] == ["started"]


def test_only_the_first_process_writes_and_speaks(tmp_path: Path) -> None:
    training = Training(tmp_path)
    training.begin(first=False)
    training.steps(10, first=False)
    training.watcher.on_save(ARGS, state(10, first=False), None, model=None)
    training.watcher.on_train_end(ARGS, state(10, first=False), None)
    assert list(tmp_path.iterdir()) == []
    assert training.said == []


def test_tokens_are_added_up_over_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def other_has_more(counts: torch.Tensor) -> None:
        counts += torch.tensor([600, 50])

    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "all_reduce", other_has_more)
    training = Training(tmp_path)
    training.begin()
    training.steps(10)
    [line] = training.lines("logged")
    assert (line["tokens"], line["completion_tokens"]) == (4600, 1050)


def test_a_loss_that_is_no_number_leaves_a_log_that_can_be_read(tmp_path: Path) -> None:
    training = Training(tmp_path)
    training.begin()
    training.steps(10, loss=math.nan)
    assert training.lines("logged")[0]["loss"] is None


def test_an_epoch_of_the_trainer_may_hold_several_of_the_data(tmp_path: Path) -> None:
    training = Training(tmp_path, epochs=2.0)
    training.begin()
    training.steps(50)
    assert training.lines("logged")[0]["epoch"] == 1.0


def test_the_end_is_logged_and_drawn(tmp_path: Path) -> None:
    training = Training(tmp_path)
    training.begin()
    training.steps(100)
    training.watcher.on_train_end(ARGS, state(100), None)
    assert training.lines("finished")[0]["tokens"] == 4000
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert training.said[-1] == "finished: 100 steps, 4,000 tokens in 2 min"


def test_without_matplotlib_it_says_so_once_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Any:
        raise InputError("plots need matplotlib: pip install matplotlib")

    monkeypatch.setattr(figures, "library", missing)
    training = Training(tmp_path)
    training.begin()
    training.steps(10)
    training.save(10)
    training.save(20)
    assert [line for line in training.said if "matplotlib" in line] == [
        "note: no plot of the loss: plots need matplotlib: pip install matplotlib"
    ]
    assert not (tmp_path / "loss.png").exists()
    assert len(training.lines("saved")) == 2


def test_a_line_leaves_out_what_is_not_known() -> None:
    assert human(1, 2000, {"loss": 1.25, "tokens_per_s": 8412.0}, None) == "step 1/2,000  loss 1.25  8,412 tokens/s"


@pytest.fixture(scope="module")
def solver() -> tuple[Any, Any]:
    """The nano solver, and its tokenizer."""
    folder = nano.path("solver")
    network = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return network, transformers.AutoTokenizer.from_pretrained(folder)


def test_samples_are_written_at_a_checkpoint_and_cut_at_a_resumption(tmp_path: Path, solver: tuple[Any, Any]) -> None:
    network, tokenizer = solver
    told = recipe(samples=2, sample_tokens=6)
    training = Training(tmp_path, told, tokenizer=tokenizer, store=Store(tokenizer))
    training.begin()
    for step in (10, 20):
        training.save(step, model=network)
    written = list(LogFile(tmp_path / "samples.jsonl").lines())
    assert [(row["step"], row["id"]) for row in written] == [
        (10, "row-0"),
        (10, "row-1"),
        (20, "row-0"),
        (20, "row-1"),
    ]
    assert (written[1]["prompt"], written[1]["reference"]) == ("A problem of three words: ", "yes")
    assert written[0]["completion"] == written[2]["completion"] != ""
    Training(tmp_path, told, tokenizer=tokenizer, store=Store(tokenizer)).begin(10)
    assert [row["step"] for row in LogFile(tmp_path / "samples.jsonl").lines()] == [10, 10]


def test_samples_leave_the_random_state_and_the_mode_of_the_model_alone(solver: tuple[Any, Any]) -> None:
    network, _ = solver
    network.train()
    network.config._attn_implementation = "eager"
    before = torch.get_rng_state()
    samples.complete(network, [[5, 6, 7], [8]], stop=[0], limit=4, seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    assert network.training
    assert network.config._attn_implementation == "eager"
    assert all(parameter.grad is None for parameter in network.parameters())


def test_a_sample_does_not_depend_on_the_padding_of_others(solver: tuple[Any, Any]) -> None:
    network, tokenizer = solver
    prompts = [tokenizer(text).input_ids for text in ("1 + 1 = ", "A much longer prompt than the other one is: ")]
    network.eval()
    with torch.no_grad():
        logits = network(torch.tensor([prompts[0]])).logits[0, -1]
    ids, mask = samples._padded_left(prompts, torch.device("cpu"))
    with torch.no_grad():
        places = (mask.cumsum(1) - 1).clamp(min=0)
        padded = network(input_ids=ids, attention_mask=mask, position_ids=places).logits[0, -1]
    assert torch.allclose(logits, padded, atol=1e-4)


def test_a_sample_ends_where_the_text_ends_and_within_the_context(solver: tuple[Any, Any]) -> None:
    network, _ = solver
    everything = list(range(network.config.vocab_size))
    assert samples.complete(network, [[5, 6]], stop=everything, limit=50, seed=1) == [[]]
    long = [5] * (network.config.max_position_embeddings - 3)
    [drawn] = samples.complete(network, [long], stop=[], limit=50, seed=1)
    assert len(drawn) == 3


def test_parameters_on_the_cpu_are_not_fetched_for_samples(tmp_path: Path, solver: tuple[Any, Any]) -> None:
    network, tokenizer = solver
    told = recipe(samples=2)
    offloaded = told.model_copy(
        update={"parallelism": told.parallelism.model_copy(update={"zero": 3, "offload_parameters": True})}
    )
    training = Training(tmp_path, offloaded, tokenizer=tokenizer, store=Store(tokenizer))
    training.begin()
    training.save(10, model=network)
    training.save(20, model=network)
    assert not (tmp_path / "samples.jsonl").exists()
    assert len([line for line in training.said if "no samples are drawn" in line]) == 1


def test_a_meter_adds_micro_batches() -> None:
    meter = Meter()
    meter.add(10, 4)
    meter.add(5, 1)
    assert (meter.tokens, meter.completion_tokens) == (15, 5)
