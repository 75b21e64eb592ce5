"""A published recipe, packed, against plain TRL with the published settings, padded: rows, order, losses, gradients.

    python benchmarks/train_published.py [--rows 1000] [--steps 5] [--smallest]

The recipe is `promptcot-ds-1.5b` as it ships (64 rows a step at the published rate and warm-up), with what a CPU needs
changed: a Qwen2 of 0.5 M random weights and the nano tokenizer, float32, no DeepSpeed. Rows are of the public shape:
the fields `prompt` and `completion`, lengths log-normal as a dry run assumes them, all of it 32 times shorter (128
tokens on average in a window of 512). The published warm-up would leave the weights of five steps nearly as they were,
so the comparison is made a second time with a rate of 1e-3 at once. Then, without a model, the steps of both epochs:
their number and rows beside those of a padded training.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import torch
from _options import Options, verdict

sys.path.append(str(Path(__file__).parents[1]))
from promptcot import nano
from promptcot.training.data.steps import steps
from promptcot.training.forecast.counting import SPREAD
from promptcot.training.recipe import TrainRecipe, load_train
from promptcot.training.report.logfile import LogFile
from promptcot.training.trainer import mark
from tests.integration.training.plain_trl import padded

SHORTER, SAME = 32, 1e-5
ON_A_CPU = {
    "precision.dtype": "float32",
    "parallelism.zero": 0,
    "parallelism.offload_optimizer": False,
    "watch.log_every": 1,
    "watch.samples": 0,
    "checkpoints.every": 10_000,
}


def prepare(folder: Path, count: int) -> None:
    """Rows and a model of the student's kind."""
    from transformers import AutoTokenizer, Qwen2Config, Qwen2ForCausalLM

    rng, mean = np.random.default_rng(5), 4100 / SHORTER
    lengths = rng.lognormal(np.log(mean) - SPREAD**2 / 2, SPREAD, count).clip(8, 16384 / SHORTER - 1).astype(int)
    with (folder / "rows.jsonl").open("w") as file:
        for length in lengths.tolist():
            text = "".join(chr(33 + letter) for letter in rng.integers(0, 90, length))
            file.write(json.dumps({"prompt": text[: length // 16 + 1], "completion": text[length // 16 + 1 :]}) + "\n")
    tokenizer = AutoTokenizer.from_pretrained(nano.path("solver"))
    shape = {"hidden_size": 96, "intermediate_size": 288, "num_hidden_layers": 3, "num_attention_heads": 6}
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(6)
        made = Qwen2ForCausalLM(Qwen2Config(vocab_size=1088, num_key_value_heads=2, **shape))
    made.save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")


def recipe(folder: Path, name: str, **changes: Any) -> TrainRecipe:
    paths = {"model.path": str(folder / "model"), "data.path": [str(folder / "rows.jsonl")]}
    window = {"schedule.max_length": 16384 // SHORTER, "output_dir": str(folder / name)}
    return load_train("promptcot-ds-1.5b", overrides={**ON_A_CPU, **paths, **window, **changes})


def compare(folder: Path, name: str, **changes: Any) -> bool:
    """Train both ways, and print how far losses and norms of gradients are apart."""
    from promptcot.training.run import train

    told, began = recipe(folder, name, **changes), time.process_time()
    train(told, lambda line: None)
    took = time.process_time() - began
    ours = [line for line in LogFile(folder / name / "log.jsonl").lines() if line["event"] == "logged"]
    began = time.process_time()
    theirs, rows = padded(told, folder / f"{name}-trl")
    away = {key: max(abs(a[key] - b[key]) for a, b in zip(ours, theirs, strict=True)) for key in ("loss", "grad_norm")}
    order = [line["order"] for line in ours] == [mark(step) for step in rows]
    good = order and max(away.values()) <= SAME
    print(
        f"{name}: {len(ours)} steps of {len(rows[0])} rows; the same rows in each step: {order}; apart at most", end=" "
    )
    print(f"{away['loss']:.1e} in the loss, {away['grad_norm']:.1e} in the gradient's norm (target: {SAME:g})", end=" ")
    print(
        f"{'PASS' if good else 'MISS'}; CPU {took:.0f} s packed, {time.process_time() - began:.0f} s padded", flush=True
    )
    return good


def whole(told: TrainRecipe, count: int) -> bool:
    """The steps of all epochs, beside those of a padded training that takes a short last step in each."""
    per_step, epochs = told.sequences_per_step, int(told.schedule.epochs)
    found = [len(rows) for rows in steps(count, epochs, told.seed, per_step)]
    expected = ([per_step] * (count // per_step) + [count % per_step] * bool(count % per_step)) * epochs
    published = len(steps(406_000, 2, told.seed, per_step))
    good = found == expected and published == told.published.steps
    print(f"{epochs} epochs of {count:,} rows: {len(found)} steps, as padded: {found == expected};", end=" ")
    print(f"406,000 rows: {published:,} steps, published {told.published.steps:,}  {'PASS' if good else 'MISS'}")
    return good


def main() -> int:
    parser = Options(__doc__, rows=70, steps=2)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=5, help="that are trained")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["PROMPTCOT_CACHE"] = str(folder / "cache")
        prepare(folder, chosen.rows)
        some = {"schedule.max_steps": chosen.steps}
        faster = {"schedule.learning_rate": 1e-3, "schedule.warmup_steps": 0}
        good = [compare(folder, "published", **some), compare(folder, "faster", **some, **faster)]
        good.append(whole(recipe(folder, "whole"), chosen.rows))
    return verdict(chosen, True, right=all(good))


if __name__ == "__main__":
    sys.exit(main())
