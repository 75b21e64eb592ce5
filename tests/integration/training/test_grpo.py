"""Reinforcement learning of the nano solver: against plain TRL, with an interruption, and with missing rewards."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from promptcot import rewards
from promptcot.errors import InputError
from promptcot.nano import files
from promptcot.rewards import REASONS
from promptcot.storage.json import dumps, loads
from promptcot.storage.rows import read_rows
from promptcot.training.recipe import load_train
from promptcot.training.report.logfile import LogFile
from tests.integration.training.trainings import changes, logged, write_recipe

pytestmark = [pytest.mark.engines, pytest.mark.filterwarnings("default")]  # TRL's own, of versions to come

torch.set_num_threads(1)

STEPS = 4
GRPO = (
    "{generations=4, max_completion_length=96, temperature=2.0, updates=2, beta=0.04, reward={format=0.1, buffer=90}}"
)

Train = Callable[..., list[str]]


def problems(count: int = 16) -> list[dict[str, Any]]:
    """Short ones, whose answers end within a few tokens."""
    return sorted(islice(read_rows(files.seeds_path()), 20 * count), key=lambda row: len(row["problem"]))[:count]


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Train:
    """Trains into `tmp_path/NAME` with changed settings, and returns what was said."""
    monkeypatch.setenv("PROMPTCOT_CACHE", str(tmp_path / "cache"))
    rows, recipe = tmp_path / "problems.jsonl", write_recipe(tmp_path / "small.toml")
    rows.write_bytes(b"".join(map(dumps, problems())))

    def run(name: str, **settings: Any) -> list[str]:
        from promptcot.training.run import train

        given = {"data.path": str(rows), "output_dir": str(tmp_path / name), "method.kind": "grpo"}
        usual = {"schedule__micro_batch": 4, "schedule__max_steps": STEPS, "schedule__max_length": 256}
        said: list[str] = []
        chosen = {**usual, "method__grpo": GRPO, "schedule__learning_rate": 1e-4, **settings}
        train(load_train(str(recipe), changes(chosen), given), said.append)
        return said

    yield run
    rewards.graders.close()


def lines(directory: Path) -> list[dict[str, Any]]:
    return [line for line in LogFile(directory / "log.jsonl").lines() if line["event"] == "logged"]


def plain(folder: Path, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The log of TRL's own trainer on the same prompts, in the same order; it encodes them, and draws with one seed."""
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import GRPOConfig, GRPOTrainer

    from promptcot.rewards.trl import Reward
    from promptcot.training.data.packing import order

    solver = files.path("solver")
    settings = GRPOConfig(
        output_dir=str(folder),
        max_steps=STEPS,
        per_device_train_batch_size=4,
        gradient_accumulation_steps=2,
        num_generations=4,
        steps_per_generation=4,
        max_completion_length=96,
        temperature=2.0,
        beta=0.04,
        epsilon=0.2,
        epsilon_high=0.28,
        learning_rate=1e-4,
        lr_scheduler_type="constant",
        weight_decay=0.01,
        logging_steps=1,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        shuffle_dataset=False,
        disable_dropout=True,
        report_to="none",
        disable_tqdm=True,
        save_strategy="no",
        seed=5,
    )
    chosen = [rows[int(number)] for number in order(len(rows), 1, 5, 2 * STEPS)]
    asked = [{"prompt": f"{row['problem']}\n", "answer": row["answer"]} for row in chosen]
    trainer = GRPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(solver, dtype="float32"),
        reward_funcs=Reward(format=0.1, overlong=(96, 90)),
        args=settings,
        train_dataset=Dataset.from_list(asked),
        processing_class=AutoTokenizer.from_pretrained(solver),
    )
    trainer.train()
    return [line for line in trainer.state.log_history if "loss" in line]


def test_it_learns_what_trl_does_and_goes_on_within_a_batch_of_completions(tmp_path: Path, train: Train) -> None:
    said = train("whole", checkpoints__every=3)
    ours, theirs = lines(tmp_path / "whole"), plain(tmp_path / "plain", problems())
    for name in ("loss", "kl"):
        assert [line[name] for line in ours] == pytest.approx([line[name] for line in theirs], abs=1e-5), name
    assert [line["grad_norm"] for line in ours] == pytest.approx([line["grad_norm"] for line in theirs], rel=1e-4)
    assert any(abs(line["loss"]) > 1e-3 for line in ours)
    for one, other in zip(ours[::2], theirs[::2], strict=True):  # the steps for which completions were drawn
        for name in ("reward", "completions/mean_length", *(f"reason/{reason}" for reason in REASONS)):
            assert one[name] == pytest.approx(other[name], abs=1e-5)
        assert sum(one[f"reason/{reason}"] for reason in REASONS) == pytest.approx(1)
    assert any("reward" in line for line in said if line.startswith("step 1/"))

    shutil.copytree(tmp_path / "whole", tmp_path / "again")
    shutil.rmtree(tmp_path / "again" / f"checkpoint-{STEPS}")
    # The third step learns from half of the completions that were drawn for it and for the fourth.
    assert "resuming from step 3 (checkpoint-3)" in train("again", checkpoints__every=3)
    assert logged(tmp_path / "again") == logged(tmp_path / "whole")
    card = (tmp_path / "again" / "model" / "README.md").read_text()
    assert "| method | GRPO, all weights |" in card
    assert "| grpo: reward: verifier | mathematics |" in card


def test_rows_without_a_prompt_or_a_gold_are_left_out_before_it_starts(tmp_path: Path, train: Train) -> None:
    bad = [
        {"id": "no gold", "problem": "What is 1 + 1?"},
        {"id": "empty gold", "problem": "What is 1 + 1?", "answer": ""},
        {"id": "no prompt", "answer": "2"},
        {"id": "long", "problem": "1 + " * 300, "answer": "300"},
    ]
    rows = tmp_path / "problems.jsonl"
    rows.write_bytes(rows.read_bytes() + b"".join(map(dumps, bad)))
    said = train("odd", schedule__max_steps=1, method__lora="{rank=4}")
    assert f"data: {16 + len(bad)} rows, 16 kept; " in "\n".join(said)
    left_out = {
        one["id"]: one["reason"] for one in map(loads, (tmp_path / "odd" / "dropped.jsonl").read_bytes().splitlines())
    }
    assert left_out == {
        "no gold": "no gold",
        "empty gold": "no gold",
        "no prompt": "no prompt",
        "long": "prompt too long",
    }


REWARDS = """
def nan(completions, id, **columns):
    return [float("nan") for name in id]

def short(completions, **columns):
    return [1.0]

def equal(completions, level, **columns):
    return [1.0 for _ in level]
"""


def test_rewards_of_ones_own_are_checked_and_equal_ones_are_said_to_teach_nothing(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_rewards.py").write_text(REWARDS)
    monkeypatch.syspath_prepend(tmp_path)

    def own(name: str) -> str:
        return f"{{generations=4, max_completion_length=8, reward={{function='own_rewards:{name}'}}}}"

    with pytest.raises(InputError, match=r"the reward nan returned nan for a completion of row seed-\d+: return a "):
        train("nan", method__grpo=own("nan"), schedule__max_steps=8)
    with pytest.raises(
        InputError, match="the reward short returned 1 numbers for 8 completions: it must return one for each"
    ):
        train("short", method__grpo=own("short"))
    said = train("equal", method__grpo=own("equal"), schedule__max_steps=5)
    [warning] = [line for line in said if line.startswith("warning")]
    assert warning.startswith("warning: nothing to learn so far: in every group all completions got the same reward")


def test_a_batch_without_whole_groups_is_refused(train: Train) -> None:
    with pytest.raises(InputError, match=r"a step has 8 completions .*not a multiple of method\.grpo\.generations = 3"):
        train("uneven", method__grpo="{generations=3}", schedule__max_length=1024)
