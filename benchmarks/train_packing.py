"""Training on packed rows against padded ones: real tokens per second, and the loss of the same rows.

    python benchmarks/train_packing.py [--micro-batches 1 2 8] [--smallest]

A Llama of 2 M parameters with random weights, rows of random tokens whose lengths are log-normal (σ = 1, mean 80, at
most 512), plain steps through our collator. A padded micro-batch has as many rows, a packed one as many sequences of
512 tokens; AdamW takes a step after every 4,096 real tokens, so that it costs both the same. Real tokens are those of
rows, not of padding; time is CPU time of one thread. First of all, the loss of the same rows is computed both ways.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import torch
from _options import Options, verdict
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from promptcot import nano
from promptcot.training.data.attention import VARLEN, register
from promptcot.training.data.collating import IGNORED, Collator
from promptcot.training.data.packing import order, pack
from promptcot.training.data.tokens import TokenStore, open_store
from promptcot.training.recipe import TrainRecipe

WINDOW, SIGMA, MEAN, EACH_STEP = 512, 1.0, 80, 4096
FASTER, SAME_LOSS, LARGEST = 2.0, 1e-3, 8


def rows(folder: Path, count: int) -> TokenStore:
    """Rows whose words are single letters: as many tokens as letters."""
    rng = np.random.default_rng(4)
    lengths = np.clip(rng.lognormal(np.log(MEAN) - SIGMA**2 / 2, SIGMA, count), 8, WINDOW - 1).astype(int)
    with (folder / "rows.jsonl").open("w") as file:
        for length in lengths.tolist():
            text = "".join(chr(33 + letter) for letter in rng.integers(0, 90, 2 * length))
            file.write(json.dumps({"prompt": text[: length // 4], "completion": text[length // 4 : length]}) + "\n")
    recipe = {"model": {"path": "nano:solver"}, "data": {"path": str(folder / "rows.jsonl")}}
    chosen = TrainRecipe.model_validate({**recipe, "schedule": {"max_length": WINDOW}})
    return open_store(chosen, AutoTokenizer.from_pretrained(nano.path("solver")), cache=folder)


def model(attention: str) -> LlamaForCausalLM:
    """The same weights each time."""
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(5)
        made = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=1024,
                hidden_size=192,
                intermediate_size=512,
                num_hidden_layers=4,
                num_attention_heads=6,
                num_key_value_heads=6,
                tie_word_embeddings=True,
                attn_implementation=attention,
            )
        )
    return made.train()


def loss_of(learner: LlamaForCausalLM, batch: dict[str, Any]) -> torch.Tensor:
    """The mean over completion tokens."""
    given = {name: value for name, value in batch.items() if name != "rows"}
    learnt = (batch["labels"][:, 1:] != IGNORED).sum()
    found: torch.Tensor = learner(**given, use_cache=False, num_items_in_batch=learnt).loss
    return found


class Side:
    """One way to train, micro-batch by micro-batch, with its measurements."""

    def __init__(self, store: TokenStore, packs: Sequence[Any], micro_batch: int, packing: bool) -> None:
        self.store, self.collator = store, Collator(store, 1, packing)
        chosen = [packs[number] for number in order(len(packs), 1.0, seed=6)]
        self.batches = [chosen[start : start + micro_batch] for start in range(0, len(chosen), micro_batch)]
        self.model = model(VARLEN if packing else "sdpa")
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4)
        self.clear()

    def micro_batch(self, number: int) -> None:
        began = time.process_time()
        batch = self.collator([{"rows": rows} for rows in self.batches[number]])
        loss_of(self.model, batch).backward()
        self.real += sum(int(self.store.lengths[row]) for pack in batch["rows"] for row in pack)
        if self.real // EACH_STEP > self.steps:
            self.steps = self.real // EACH_STEP
            self.optimizer.step()
            self.optimizer.zero_grad()
        self.seconds += time.process_time() - began
        self.filled += batch["input_ids"].numel()

    def clear(self) -> None:
        self.seconds, self.real, self.filled, self.steps = 0.0, 0, 0, 0


def compare(store: TokenStore, micro_batch: int, budget: float) -> float:
    """Packed tokens per second over padded ones; each side gets about half of `budget` seconds."""
    each = list(np.arange(len(store))[:, None])
    sides = [Side(store, pack(store.lengths, WINDOW), micro_batch, True), Side(store, each, micro_batch, False)]
    for side in sides:
        side.micro_batch(0)
        side.clear()
    for side in sides:
        number = 1
        while side.seconds < budget / 2 and number < len(side.batches):
            side.micro_batch(number)
            number += 1
    speeds = [side.real / side.seconds for side in sides]
    padding = [1 - side.real / side.filled for side in sides]
    ratio = speeds[0] / speeds[1]
    print(f"micro-batch {micro_batch}: packed {speeds[0]:,.0f}, padded {speeds[1]:,.0f} real tokens/s", end=" ")
    print(f"(padding {padding[0]:.0%} and {padding[1]:.0%}); ratio {ratio:.2f}", end="", flush=True)
    return ratio


def same_loss(store: TokenStore) -> bool:
    """The loss of one step's rows, packed and padded, before the step is taken."""
    first = np.arange(16)
    packs = [first[rows] for rows in pack(store.lengths[first], WINDOW)]
    batches = [
        Collator(store, 1, True)([{"rows": rows} for rows in packs]),
        Collator(store, 1, False)([{"rows": [row]} for row in first]),
    ]
    with torch.no_grad():
        packed, padded = (
            float(loss_of(model(kind), batch)) for kind, batch in zip((VARLEN, "sdpa"), batches, strict=True)
        )
    good = abs(packed - padded) <= SAME_LOSS
    print(f"loss of the first step: packed {packed:.6f}, padded {padded:.6f} (target: equal to {SAME_LOSS})", end=" ")
    print("PASS" if good else "MISS")
    return good


def main() -> int:
    parser = Options(__doc__, micro_batches=[LARGEST], rows=200, seconds=0.1)
    parser.add_argument("--micro-batches", type=int, nargs="+", default=[1, 2, LARGEST])
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--seconds", type=float, default=12.0, help="of CPU time for each micro-batch")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    register()
    with tempfile.TemporaryDirectory() as name:
        store = rows(Path(name), chosen.rows)
        lengths = store.lengths
        spread = np.log(lengths).std()
        size = sum(weight.numel() for weight in model("sdpa").parameters()) / 1e6
        print(f"{len(store):,} rows, mean {lengths.mean():.0f}, longest {lengths.max()}, σ {spread:.2f}; {size:.1f} M")
        same, fast = same_loss(store), True
        for micro_batch in chosen.micro_batches:
            ratio = compare(store, micro_batch, chosen.seconds)
            if micro_batch == LARGEST:
                fast = ratio >= FASTER
                print(f" (target ≥ {FASTER}) {'PASS' if fast else 'MISS'}", end="")
            print()
    return verdict(chosen, fast, right=same)


if __name__ == "__main__":
    sys.exit(main())
