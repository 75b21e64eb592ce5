"""Fine-tuning, preferences and rewards against plain TRL: the same rows, the same settings, one thread.

    python benchmarks/train_methods.py [--steps 12] [--times 5] [--smallest]

Ours is `promptcot train` in this process with checkpoints, log and plot; TRL's trainer gets the same rows in the same
order, and encodes them itself. Losses and gradient norms are compared step by step; tokens a second are those from the
beginning of the steps to the last line of the log. Both are timed in turns, as machines change. Fine-tuning is packed
on both sides, each in its own way, so that steps hold other rows and only tokens a second are compared.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from _options import Options, verdict
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback, TrainerCallback
from trl import DPOConfig, DPOTrainer, GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer

from promptcot.nano import files
from promptcot.rewards.trl import Reward
from promptcot.storage.json import dumps
from promptcot.storage.rows import read_rows
from promptcot.training.data.packing import order
from promptcot.training.recipe import TrainRecipe
from promptcot.training.report.logfile import LogFile
from promptcot.training.run import train

SEED, SAME, AS_FAST = 5, 1e-5, 1.0
BATCH, GENERATIONS, LONGEST = 8, 4, 96
PLAIN: dict[str, Any] = {
    "learning_rate": 1e-4,
    "lr_scheduler_type": "constant",
    "weight_decay": 0.01,
    "logging_steps": 1,
    "use_cpu": True,
    "bf16": False,
    "gradient_checkpointing": False,
    "report_to": "none",
    "disable_tqdm": True,
    "save_strategy": "no",
    "per_device_train_batch_size": BATCH,
    "seed": SEED,
}


class Timer(TrainerCallback):
    """Seconds from the beginning to the last line of the log, as our log has them."""

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """It begins."""
        self.begun = time.perf_counter()

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """A step was logged."""
        if "loss" in logs:
            self.seconds = time.perf_counter() - self.begun


def problems(count: int) -> list[dict[str, Any]]:
    """Short problems of the nano world with their answers, outside the benchmark."""
    return sorted(read_rows(files.seeds_path()), key=lambda row: len(row["problem"]))[:count]


def pairs(count: int) -> list[dict[str, Any]]:
    """Reference solutions as chosen answers, those of the next problem as rejected ones."""
    rows = list(islice(read_rows(files.benchmark_path()), count))
    texts = [row["reference_solution"].rpartition("\n#### ")[0] for row in rows]
    named = [{"id": row["id"], "prompt": row["prompt"]} for row in rows]
    others = [*texts[1:], texts[0]]
    return [{**row, "chosen": ours, "rejected": other} for row, ours, other in zip(named, texts, others, strict=True)]


def traces(count: int) -> list[dict[str, Any]]:
    """Problems and their solutions."""
    return [{"prompt": row["prompt"], "completion": row["chosen"]} for row in pairs(200)] * (1 + count // 200)


def ours(kind: str, rows: list[dict[str, Any]], steps: int, folder: Path) -> list[dict[str, Any]]:
    """The lines of our log."""
    (folder / "rows.jsonl").write_bytes(b"".join(map(dumps, rows)))
    grpo = {"generations": GENERATIONS, "max_completion_length": LONGEST, "temperature": 2.0, "epsilon_high": 0.28}
    method = {
        "kind": kind,
        "liger": False,
        "packing": kind == "sft",
        **({"grpo": {**grpo, "reward": {"buffer": 90}}} if kind == "grpo" else {}),
    }
    schedule = {"max_length": 512, "max_steps": steps, "micro_batch": BATCH, "accumulation": 1, "kind": "constant"}
    recipe = TrainRecipe.model_validate(
        {
            "seed": SEED,
            "output_dir": str(folder / "out"),
            "model": {"path": "nano:solver"},
            "data": {"path": str(folder / "rows.jsonl")},
            "method": method,
            "schedule": {**schedule, "learning_rate": 1e-4, "warmup_steps": 0},
            "precision": {"dtype": "float32", "gradient_checkpointing": False},
            "watch": {"log_every": 1, "samples": 0},
        }
    )
    train(recipe, lambda line: None)
    return [line for line in LogFile(folder / "out" / "log.jsonl").lines() if line["event"] == "logged"]


def plain(kind: str, rows: list[dict[str, Any]], steps: int, folder: Path) -> tuple[list[dict[str, Any]], float]:
    """The lines of TRL's log, and the seconds of its steps."""
    solver = files.path("solver")
    model = AutoModelForCausalLM.from_pretrained(solver, dtype="float32")
    each = BATCH if kind == "dpo" else BATCH // GENERATIONS
    chosen = [rows[int(number)] for number in order(len(rows), 1, SEED, each * steps)]
    shared: dict[str, Any] = {"model": model, "processing_class": AutoTokenizer.from_pretrained(solver)}
    if kind == "dpo":
        settings = DPOConfig(
            output_dir=str(folder), max_steps=steps, max_length=None, train_sampling_strategy="sequential",
            precompute_ref_log_probs=True, **PLAIN,
        )  # fmt: skip
        trainer = DPOTrainer(args=settings, train_dataset=Dataset.from_list(chosen), **shared)
    else:
        asked = [{"prompt": f"{row['problem']}\n", "answer": row["answer"]} for row in chosen]
        settings = GRPOConfig(
            output_dir=str(folder), max_steps=steps, num_generations=GENERATIONS, max_completion_length=LONGEST,
            temperature=2.0, epsilon_high=0.28, shuffle_dataset=False, disable_dropout=True, **PLAIN,
        )  # fmt: skip
        reward = Reward(overlong=(LONGEST, 90))
        trainer = GRPOTrainer(args=settings, reward_funcs=reward, train_dataset=Dataset.from_list(asked), **shared)
    trainer.remove_callback(PrinterCallback)
    timer = Timer()
    trainer.add_callback(timer)
    trainer.train()
    return [line for line in trainer.state.log_history if "loss" in line], timer.seconds


def packed(steps: int, times: int) -> float:
    """Both pack rows, in turns: the median ratio of tokens a second."""
    ratios, rows = [], traces(BATCH * steps * 4)
    for _ in range(times):
        with tempfile.TemporaryDirectory() as place:
            os.environ["PROMPTCOT_CACHE"] = place
            mine = ours("sft", rows, steps, Path(place))[-1]
            tokens, seconds = plain_packed(rows, steps, Path(place))
        ratios.append(mine["tokens"] / mine["seconds"] / (tokens / seconds))
    each = ", ".join(f"{one:.2f}" for one in ratios)
    print(f"sft, packed: tokens a second {statistics.median(ratios):.2f} times TRL's (target ≥ {AS_FAST}; {each})")
    return statistics.median(ratios)


def plain_packed(rows: list[dict[str, Any]], steps: int, folder: Path) -> tuple[float, float]:
    """The tokens of TRL's steps, and their seconds."""
    solver = files.path("solver")
    settings = SFTConfig(
        output_dir=str(folder), max_steps=steps, max_length=512, packing=True, completion_only_loss=True, **PLAIN
    )
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(solver, dtype="float32"),
        args=settings,
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(solver),
    )
    trainer.remove_callback(PrinterCallback)
    timer = Timer()
    trainer.add_callback(timer)
    trainer.train()
    return [line["num_tokens"] for line in trainer.state.log_history if "loss" in line][-1], timer.seconds


def compare(kind: str, steps: int, times: int) -> tuple[float, float]:
    """Both in turns: the largest difference of losses and gradient norms, and the median ratio of tokens a second."""
    rows = pairs(BATCH * steps) if kind == "dpo" else problems(BATCH * steps)
    ratios, apart = [], 0.0
    for _ in range(times):
        with tempfile.TemporaryDirectory() as place:
            os.environ["PROMPTCOT_CACHE"] = place
            mine = ours(kind, rows, steps, Path(place))
            theirs, seconds = plain(kind, rows, steps, Path(place))
        for name in ("loss", "grad_norm"):
            apart = max(apart, *(abs(a[name] - b[name]) for a, b in zip(mine, theirs, strict=True)))
        ratios.append(seconds / mine[-1]["seconds"])
    ratio = statistics.median(ratios)
    each = ", ".join(f"{one:.2f}" for one in ratios)
    print(f"{kind}: losses and gradient norms at most {apart:.1e} apart (target ≤ {SAME:.0e})")
    print(f"{kind}: tokens a second {ratio:.2f} times TRL's (target ≥ {AS_FAST}; {each})")
    return apart, ratio


def main() -> int:
    """Measure."""
    parser = Options(__doc__, steps=3, times=1)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--times", type=int, default=5, help="how often both are run, in turns")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    rate = packed(chosen.steps, chosen.times)
    found = [compare(kind, chosen.steps, chosen.times) for kind in ("dpo", "grpo")]
    fast = all(ratio >= AS_FAST for ratio in (rate, *(ratio for _, ratio in found)))
    return verdict(chosen, fast, right=all(apart <= SAME for apart, _ in found))


if __name__ == "__main__":
    sys.exit(main())
