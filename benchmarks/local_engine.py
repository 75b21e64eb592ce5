"""Tokens per second of the embedded engine, beside transformers' own `generate` on the same prompts, in one process.

Both sides draw the same number of tokens for each prompt (the end of a text is not allowed to come early), in float32, with
temperature 1 and top-p 0.95. `generate` gets all prompts as one left-padded batch, which is its best case: every completion
has the same length. A third line gives the engine completions of unequal lengths, where it refills its batch.

    python benchmarks/local_engine.py [--model_path FOLDER] [--requests 64] [--tokens 200]
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from promptcot import nano
from promptcot.engines.local import LocalEngine
from promptcot.errors import InputError
from promptcot.records import Request, Sampling

TEMPERATURE, TOP_P = 1.0, 0.95
TARGET = 2000.0


def random_model(folder: Path) -> Path:
    """A Llama of about 1.5 million random parameters, with a byte-level tokenizer."""
    config = transformers.LlamaConfig(
        vocab_size=1024,
        hidden_size=160,
        intermediate_size=432,
        num_hidden_layers=5,
        num_attention_heads=4,
        max_position_embeddings=1024,
        bos_token_id=None,
        eos_token_id=1023,
    )
    network = transformers.LlamaForCausalLM(config)
    network.save_pretrained(folder)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: place for place, letter in enumerate(letters)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder)
    return folder


def prompts(count: int) -> list[str]:
    """Prompts of 20 to 60 characters of a made-up request."""
    rng = np.random.default_rng(0)
    words = "lattice points, prime factors, geometric series, modular arithmetic, areas of triangles".split()
    return [" ".join(rng.choice(words, rng.integers(3, 8))) for _ in range(count)]


def never_ending(engine: LocalEngine) -> LocalEngine:
    """The engine with the end of a text switched off, so that a completion has exactly the length asked for."""
    object.__setattr__(engine._worker._model, "stop_ids", frozenset())
    return engine


async def complete(engine: LocalEngine, texts: list[str], lengths: list[int]) -> int:
    """Tokens drawn for all texts at once."""
    calls = [
        engine.complete(Request(prompt=text, seed=seed, sampling=Sampling(TEMPERATURE, TOP_P, max_tokens=length)))
        for seed, (text, length) in enumerate(zip(texts, lengths, strict=True))
    ]
    return sum(reply.completion_tokens or 0 for reply in await asyncio.gather(*calls))


class Generate:
    """transformers' `generate` over one left-padded batch."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder, padding_side="left")
        self.tokenizer.pad_token = self.tokenizer.pad_token or self.tokenizer.convert_ids_to_tokens(0)
        self.network = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    def __call__(self, texts: list[str], length: int) -> int:
        batch = self.tokenizer(texts, return_tensors="pt", padding=True, return_token_type_ids=False)
        with torch.inference_mode():
            drawn = self.network.generate(
                **batch,
                do_sample=True,
                temperature=TEMPERATURE,
                top_p=TOP_P,
                min_new_tokens=length,
                max_new_tokens=length,
                pad_token_id=0,
            )
        texts_out = self.tokenizer.batch_decode(drawn[:, batch.input_ids.shape[1] :])
        return len(texts_out) * length


def rate(run: Callable[[], int]) -> float:
    started = time.perf_counter()
    return run() / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model_path", help="default: the embedded generator, or a random model where it is missing")
    parser.add_argument("--requests", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        compare(folder_of(options.model_path, Path(scratch)), options.requests, options.tokens, options.repeats)


def folder_of(model_path: str | None, scratch: Path) -> Path:
    transformers.logging.disable_progress_bar()
    transformers.logging.set_verbosity_error()
    if model_path is not None:
        return Path(model_path)
    try:
        return nano.path("generator")
    except InputError:
        return random_model(scratch / "random-llama")


def compare(folder: Path, requests: int, tokens: int, repeats: int) -> None:
    engine, generate = never_ending(LocalEngine(folder)), Generate(folder)
    texts = prompts(requests)
    equal = [tokens] * requests
    unequal = [int(n) for n in np.random.default_rng(1).integers(tokens // 4, 2 * tokens - tokens // 4, requests * 2)]
    with asyncio.Runner() as runner:
        sides: dict[str, Callable[[], int]] = {
            "engine": lambda: runner.run(complete(engine, texts, equal)),
            "generate": lambda: generate(texts, tokens),
            "engine, unequal lengths": lambda: runner.run(complete(engine, texts * 2, unequal)),
        }
        runner.run(complete(engine, texts[:4], [8] * 4))
        generate(texts[:4], 8)
        rates = {name: [] for name in sides}
        for _ in range(repeats):
            for name, run in sides.items():
                rates[name].append(rate(run))
        runner.run(engine.close())
    report(folder, requests, tokens, {name: statistics.median(found) for name, found in rates.items()})


def report(folder: Path, requests: int, tokens: int, rates: dict[str, float]) -> None:
    network = f"{folder.name}, {requests} requests of {tokens} tokens, {torch.get_num_threads()} threads, medians"
    print(f"local engine: {network}")
    for name, found in rates.items():
        print(f"  {name:<24} {found:>8,.0f} tokens/s")
    print(f"  ratio engine / generate  {rates['engine'] / rates['generate']:>8.2f}")
    met = "met" if rates["engine"] >= TARGET else "NOT met"
    print(f"  target {TARGET:,.0f} tokens/s: {met}")


if __name__ == "__main__":
    main()
