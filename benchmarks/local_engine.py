"""Tokens per second of the embedded engine, against smaller batches and transformers' own `generate`, in one process.

    python benchmarks/local_engine.py [--model_path FOLDER] [--requests 512] [--concurrency 256] [--smaller 64]
                                      [--max_tokens 200] [--smallest]

All sides sample the same prompts in float32 with the same settings and stop where the model stops. The engine has
`concurrency` calls open at a time, which its workers share: with two, batches are half as large. For comparison the
same calls are made with batches of at most `smaller` on each worker. `generate` gets left-padded batches of
`concurrency` texts, each of which runs until its last text is done. Only tokens up to the end of each text count. The
sides alternate; medians are reported.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
import transformers
from _options import Options, verdict
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from promptcot import domains, nano
from promptcot.engines.local.engine import LocalEngine
from promptcot.errors import InputError
from promptcot.records import Request, Sampling
from promptcot.storage.rows import read_rows

TEMPERATURE, TOP_P = 1.0, 0.95
TARGET = 4000.0
END = 1023


def random_model(folder: Path) -> Path:
    """A Llama with random parameters, as large as the embedded models (1.6 million), with a byte-level tokenizer."""
    config = transformers.LlamaConfig(
        vocab_size=END + 1,
        hidden_size=160,
        intermediate_size=448,
        num_hidden_layers=4,
        num_attention_heads=5,
        num_key_value_heads=5,
        max_position_embeddings=1024,
        bos_token_id=None,
        eos_token_id=END,
    )
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: place for place, letter in enumerate(letters)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder)
    return folder


def folder_of(model_path: str | None, scratch: Path) -> Path:
    transformers.logging.disable_progress_bar()
    transformers.logging.set_verbosity_error()
    if model_path is not None:
        return Path(model_path)
    try:
        return nano.path("generator")
    except InputError:
        return random_model(scratch / "random-llama")


def prompts_of(count: int) -> list[str]:
    """Prompts of the nano generator, from the seed combinations of the catalogue."""
    render = domains.load("nano").render
    seeds = itertools.cycle(read_rows(nano.concepts_path()))
    return [render("generate", concepts=row["concepts"], level="AIME") for row in itertools.islice(seeds, count)]


async def complete(engine: LocalEngine, texts: list[str], concurrency: int, max_tokens: int) -> int:
    """Tokens that the engine drew for all texts."""
    slots = asyncio.Semaphore(concurrency)

    async def one(seed: int, text: str) -> int:
        async with slots:
            sampling = Sampling(TEMPERATURE, TOP_P, max_tokens=max_tokens)
            return (await engine.complete(Request(prompt=text, seed=seed, sampling=sampling))).completion_tokens or 0

    return sum(await asyncio.gather(*(one(seed, text) for seed, text in enumerate(texts))))


class Generate:
    """transformers' `generate` over left-padded batches."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder, padding_side="left")
        self.tokenizer.pad_token = self.tokenizer.pad_token or self.tokenizer.convert_ids_to_tokens(0)
        self.network = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self.ends = torch.tensor(self.network.generation_config.eos_token_id).flatten()

    def __call__(self, texts: list[str], batch_size: int, max_tokens: int) -> int:
        """Tokens that it drew for all texts."""
        starts = range(0, len(texts), batch_size)
        return sum(self._batch(texts[start : start + batch_size], max_tokens) for start in starts)

    def _batch(self, texts: list[str], max_tokens: int) -> int:
        batch = self.tokenizer(texts, return_tensors="pt", padding=True, return_token_type_ids=False)
        settings = {"do_sample": True, "temperature": TEMPERATURE, "top_p": TOP_P, "top_k": 0, "pad_token_id": 0}
        with torch.inference_mode():
            drawn = self.network.generate(**batch, **settings, max_new_tokens=max_tokens)
        drawn = drawn[:, batch.input_ids.shape[1] :]
        self.tokenizer.batch_decode(drawn, skip_special_tokens=True)
        ended_before = torch.isin(drawn, self.ends).long().cumsum(1).roll(1, 1)
        ended_before[:, 0] = 0
        return int((ended_before == 0).sum())


def rate(run: Callable[[], int]) -> float:
    started = time.perf_counter()
    return run() / (time.perf_counter() - started)


def compare(folder: Path, options: argparse.Namespace) -> tuple[dict[str, float], int]:
    """Median tokens per second of each side, and the number of workers of the engine."""
    texts = prompts_of(options.requests)
    size, smaller, limit = options.concurrency, options.smaller, options.max_tokens
    engine, small, generate = LocalEngine(folder), LocalEngine(folder, max_batch=smaller), Generate(folder)
    rates: dict[str, list[float]] = {"engine": [], "smaller": [], "generate": []}
    with asyncio.Runner() as runner:

        def complete_all(one: LocalEngine) -> int:
            return runner.run(complete(one, texts, size, limit))

        for one in (engine, small):
            runner.run(complete(one, texts[:4], size, 8))
        generate(texts[:4], size, 8)
        for _ in range(options.repeats):
            rates["engine"].append(rate(lambda: complete_all(engine)))
            rates["smaller"].append(rate(lambda: complete_all(small)))
            rates["generate"].append(rate(lambda: generate(texts, size, limit)))
        for one in (engine, small):
            runner.run(one.close())
    return {name: statistics.median(found) for name, found in rates.items()}, engine.workers


def main() -> int:
    parser = Options(__doc__, requests=4, concurrency=2, smaller=1, max_tokens=8, repeats=1)
    parser.add_argument("--model_path", help="default: the embedded generator, or a random model where it is missing")
    parser.add_argument("--requests", type=int, default=512)
    parser.add_argument("--concurrency", type=int, default=256)
    parser.add_argument("--smaller", type=int, default=64, help="the largest of the smaller batches")
    parser.add_argument("--max_tokens", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = folder_of(options.model_path, Path(scratch))
        rates, workers = compare(folder, options)
    print(f"model                {folder.name}")
    print(
        f"requests             {options.requests}, {options.concurrency} at a time, up to {options.max_tokens} tokens"
    )
    print(f"workers              {workers}, with {options.concurrency / workers:g} calls each on average")
    print(f"local engine         {rates['engine']:>8,.0f} tokens/s (target ≥ {TARGET:,.0f})")
    for name, side in ((f"batches of up to {options.smaller}", "smaller"), ("generate", "generate")):
        print(f"{name:<20} {rates[side]:>8,.0f} tokens/s; ratio {rates['engine'] / rates[side]:.2f}")
    return verdict(options, rates["engine"] >= TARGET)


if __name__ == "__main__":
    raise SystemExit(main())
