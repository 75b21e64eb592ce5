"""Tokenising and packing rows of about 2,000 tokens: ours against the same tokenizer called twice per row.

    python benchmarks/train_tokens.py [--rows 400] [--smallest]

No Hub is needed: rows are texts of words from a made-up vocabulary of 30,000, with numbers and line breaks, a prompt of
about 400 tokens and a completion of about 1,600; the tokenizer is a
byte-level BPE of 32,000 tokens trained on such texts. The public way encodes the prompt, and then prompt and completion
together, one row at a time, keeps lists, cuts them and makes labels. Ours reads the same file, encodes each text once,
writes the store and packs it. First both have one thread, and CPU time is compared; then as many as there are cores,
and the clock is. Every side is a process of its own, and its best turn of three counts.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from _options import Options, verdict

VOCABULARY, WINDOW = 32_000, 16_384
FASTER, GROWTH_MEGABYTES = 2.0, 60


def words(count: int, rng: np.random.Generator) -> list[str]:
    syllables = [
        "".join(rng.choice(list(part), 1)[0] for part in ("bdfgklmnprst", "aeiou", " nrst")) for _ in range(900)
    ]
    return ["".join(rng.choice(syllables, rng.integers(1, 4))).replace(" ", "") for _ in range(count)]


def text(known: list[str], count: int, rng: np.random.Generator) -> str:
    """Words by a Zipf law; every tenth is a number, and every fifteenth ends a line."""
    chosen = np.minimum(rng.zipf(1.2, count) - 1, len(known) - 1)
    parts = [str(int(rng.integers(0, 9999))) if n % 10 == 9 else known[word] for n, word in enumerate(chosen.tolist())]
    return "".join(part + ("\n" if n % 15 == 14 else " ") for n, part in enumerate(parts)).strip()


def prepare(folder: Path, rows: int, texts: int, vocabulary: int) -> None:
    """Rows in two sizes, and a tokenizer trained on so many texts."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import PreTrainedTokenizerFast

    rng = np.random.default_rng(3)
    known = words(vocabulary, rng)
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(
        (text(known, 500, rng) for _ in range(texts)), VOCABULARY, special_tokens=["<eos>"], show_progress=False
    )
    PreTrainedTokenizerFast(tokenizer_object=trained._tokenizer, eos_token="<eos>").save_pretrained(
        folder / "tokenizer"
    )
    for name, count in (("rows", rows), ("more", 4 * rows)):
        with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            for _ in range(count):
                row = {"prompt": text(known, 365, rng), "completion": text(known, 1465, rng)}
                file.write(json.dumps(row) + "\n")


def load(folder: Path) -> Any:
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast.from_pretrained(folder / "tokenizer")


def public(folder: Path, name: str) -> dict[str, Any]:
    """One row at a time: the prompt, then prompt and completion; lists of ids and labels."""
    tokenizer = load(folder)
    began, used = time.perf_counter(), time.process_time()
    kept = []
    with (folder / f"{name}.jsonl").open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            prompt = tokenizer(row["prompt"])["input_ids"]
            whole = [*tokenizer(row["prompt"] + row["completion"])["input_ids"], tokenizer.eos_token_id][:WINDOW]
            labels = ([-100] * len(prompt) + whole[len(prompt) :])[:WINDOW]
            kept.append({"input_ids": whole, "labels": labels})
    seconds, used = time.perf_counter() - began, time.process_time() - used
    return {"clock": seconds, "cpu": used, "tokens": sum(len(row["input_ids"]) for row in kept)}


def ours(folder: Path, name: str) -> dict[str, Any]:
    from promptcot.training.data.packing import pack
    from promptcot.training.data.tokens import open_store
    from promptcot.training.recipe import TrainRecipe

    tokenizer = load(folder)
    data = {"path": str(folder / f"{name}.jsonl")}
    recipe = TrainRecipe.model_validate({"model": {"path": "made"}, "data": data})
    with tempfile.TemporaryDirectory(dir=folder) as cache:
        before, began, used = megabytes(), time.perf_counter(), time.process_time()
        store = open_store(recipe, tokenizer, cache=Path(cache))
        packs = pack(store.lengths, WINDOW)
        seconds, used, began = time.perf_counter() - began, time.process_time() - used, time.perf_counter()
        again = open_store(recipe, tokenizer, cache=Path(cache))
        cached, tokens = time.perf_counter() - began, store.counts.tokens
    assert sum(map(len, packs)) == len(again)
    grown = megabytes() - before
    return {"clock": seconds, "cpu": used, "cached": cached, "tokens": tokens, "megabytes": grown}


def megabytes() -> float:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measured(side: str, folder: Path, name: str, threads: int) -> dict[str, Any]:
    """What a process of its own finds."""
    environment = {
        **os.environ,
        "RAYON_NUM_THREADS": str(threads),
        "TOKENIZERS_PARALLELISM": "true",
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
    }
    command = [sys.executable, __file__, "--side", side, "--folder", str(folder), "--name", name]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def compare(folder: Path, rows: int, threads: int, turns: int) -> bool:
    unit = "cpu" if threads == 1 else "clock"
    found = [[measured(side, folder, "rows", threads) for side in ("public", "ours")] for _ in range(turns)]
    theirs, mine = (min(turn[side][unit] for turn in found) for side in (0, 1))
    ratio = theirs / mine
    tokens = found[0][1]["tokens"] / rows
    print(f"threads: {threads}, by {unit}: {rows:,} rows of {tokens:,.0f} tokens", end=": ")
    print(f"twice a row {rows / theirs:,.0f} rows/s ({rows * tokens / theirs / 1e6:.2f} M tokens/s)", end=", ")
    print(f"ours {rows / mine:,.0f} rows/s ({rows * tokens / mine / 1e6:.2f} M tokens/s)", end="; ")
    print(f"ratio {ratio:.2f} (target ≥ {FASTER}) {'PASS' if ratio >= FASTER else 'MISS'}", flush=True)
    return ratio >= FASTER


def memory(folder: Path, rows: int) -> bool:
    small, large = (measured("ours", folder, name, 1) for name in ("rows", "more"))
    grown = large["megabytes"] - small["megabytes"]
    print(f"memory above the loaded tokenizer: {small['megabytes']:.0f} MB for {rows:,} rows, ", end="")
    print(f"{large['megabytes']:.0f} MB for {4 * rows:,} (target: at most {GROWTH_MEGABYTES} MB more)", end="  ")
    print("PASS" if grown <= GROWTH_MEGABYTES else "MISS")
    print(f"opened again from the cache: {4 * rows:,} rows in {large['cached']:.2f} s, not {large['clock']:.1f} s")
    return grown <= GROWTH_MEGABYTES


def main() -> int:
    parser = Options(__doc__, rows=4, texts=20, words=500, turns=1, threads=[1])
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--texts", type=int, default=500, help="of the tokenizer's training")
    parser.add_argument("--words", type=int, default=30_000, help="of the made-up vocabulary")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, len(os.sched_getaffinity(0))])
    parser.add_argument("--side", choices=["public", "ours"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--name", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.side:
        print(json.dumps({"public": public, "ours": ours}[chosen.side](chosen.folder, chosen.name)))
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, chosen.rows, chosen.texts, chosen.words)
        good = [compare(folder, chosen.rows, threads, chosen.turns) for threads in dict.fromkeys(chosen.threads)]
        good.append(memory(folder, chosen.rows))
    return verdict(chosen, all(good))


if __name__ == "__main__":
    sys.exit(main())
