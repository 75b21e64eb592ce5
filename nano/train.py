"""Trains one role from scratch: `python -m nano.train ROLE --minutes M --out DIR`.

Decides the model's shape, the schedule and when to look and save; texts, packing and checks have modules of their own.
The learning rate follows the elapsed time, so that a shared machine changes how far it gets and not how it ends.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch.nn import functional
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Qwen2Config,
    Qwen2ForCausalLM,
)
from transformers.utils import logging

from nano.copycheck import check
from nano.packing import Batch, Shape, batches
from nano.texts import ROLES

VOCABULARY = Path(__file__).with_name("vocabulary")
# width, layers, heads, peak learning rate, tokens per batch, longest example, weight of a prompt token
DEFAULTS = {
    "annotator": (128, 4, 4, 3e-3, 2560, 320, 0.0),
    "generator": (128, 4, 4, 3e-3, 2560, 320, 0.0),
    "judge-a": (128, 4, 4, 3e-3, 2800, 400, 0.2),
    "judge-b": (144, 4, 4, 3e-3, 2560, 400, 0.3),
    "solver": (160, 4, 5, 3e-3, 2560, 448, 0.0),
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m nano.train", description=__doc__)
    parser.add_argument("role", choices=ROLES)
    parser.add_argument("--out", type=Path, required=True, help="folder of the model and its log")
    parser.add_argument("--start", type=Path, help="folder of a model to go on from, instead of random weights")
    parser.add_argument("--minutes", type=float, default=20, help="how long to train")
    parser.add_argument("--tokens", type=float, default=0, help="train on this many tokens instead")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1, help="processes that write texts")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--bf16", action=argparse.BooleanOptionalAction, default=True, help="bf16 autocast")
    parser.add_argument("--seed", type=int, default=1)
    for name, kind in (("width", int), ("layers", int), ("heads", int), ("lr", float), ("batch", int), ("length", int)):
        parser.add_argument(f"--{name}", type=kind)
    # on these short rows the plain kernel takes two thirds of the time of the fused one on a CPU
    parser.add_argument("--attention", default="eager", choices=("eager", "sdpa"))
    parser.add_argument("--prompt-weight", type=float)
    parser.add_argument("--check-minutes", type=float, default=3)
    parser.add_argument("--check-samples", type=int, default=48)
    chosen = parser.parse_args()
    names = ("width", "layers", "heads", "lr", "batch", "length", "prompt_weight")
    for name, value in zip(names, DEFAULTS[chosen.role], strict=True):
        setattr(chosen, name, value if getattr(chosen, name) is None else getattr(chosen, name))
    return chosen


def build(role: str, tokenizer: PreTrainedTokenizerBase, width: int, layers: int, heads: int) -> PreTrainedModel:
    """A fresh model: Qwen2 for judge-b, Llama for the others."""
    shape = {
        "vocab_size": len(tokenizer),
        "hidden_size": width,
        "intermediate_size": -(-width * 8 // 3 // 32) * 32,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "max_position_embeddings": 1024,
        "tie_word_embeddings": False,
        "initializer_range": 0.5 / math.sqrt(width),
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    if role == "judge-b":
        return Qwen2ForCausalLM(Qwen2Config(**shape))
    return LlamaForCausalLM(LlamaConfig(**shape))


def begin_from(folder: Path, role: str, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """The model in `folder`, whose role may be another one: what it has learnt about copying is not learnt again.

    A Qwen2 differs from a Llama by biases alone; they start at zero where the weights have none.
    """
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    if role != "judge-b" or isinstance(model, Qwen2ForCausalLM):
        return model
    config = model.config
    qwen = build(role, tokenizer, config.hidden_size, config.num_hidden_layers, config.num_attention_heads)
    report = qwen.load_state_dict(model.state_dict(), strict=False)
    if report.unexpected_keys or any(not name.endswith(".bias") for name in report.missing_keys):
        raise ValueError(f"{folder}: its weights do not fit a Qwen2: {report}")
    for name in report.missing_keys:
        torch.nn.init.zeros_(qwen.get_parameter(name))
    return qwen


def loss_of(model: PreTrainedModel, batch: Batch, device: str) -> torch.Tensor:
    """Mean cross entropy over weighted tokens."""
    tokens, weights = torch.from_numpy(batch.tokens).to(device), torch.from_numpy(batch.weights).to(device)
    hidden = model.model(tokens, use_cache=False).last_hidden_state
    learnt = weights[:, :-1] > 0
    logits = model.lm_head(hidden[:, :-1][learnt]).float()
    losses = functional.cross_entropy(logits, tokens[:, 1:][learnt], reduction="none")
    share = weights[:, :-1][learnt]
    return (losses * share).sum() / share.sum()


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Writes bf16 weights, configuration and tokenizer; a reader sees the old files or the new ones, never half."""
    part = folder / "part"
    copy.deepcopy(model).to("cpu", torch.bfloat16).save_pretrained(part)
    tokenizer.save_pretrained(part)
    for path in sorted(part.iterdir()):
        os.replace(path, folder / path.name)
    part.rmdir()


class Log:
    """JSON lines on the terminal and in `log.jsonl`."""

    def __init__(self, folder: Path) -> None:
        self._file = (folder / "log.jsonl").open("w", encoding="utf-8")

    def write(self, **values: object) -> None:
        line = json.dumps(values)
        print(line, flush=True)
        print(line, file=self._file, flush=True)


def rate(progress: float, step: int, peak: float, warm_up: int = 150) -> float:
    """Linear warm-up over steps, then half a cosine over `progress` (0 to 1) to 1 % of the peak."""
    cosine = 0.01 + 0.99 * (1 + math.cos(math.pi * min(progress, 1.0))) / 2
    return peak * cosine * min(1.0, (step + 1) / warm_up)


def fit(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, source: Iterator[Batch], chosen: argparse.Namespace
) -> None:
    """The training loop, with log lines, checks and checkpoints."""
    log = Log(chosen.out)
    log.write(
        parameters=model.num_parameters(), **{k: str(v) if isinstance(v, Path) else v for k, v in vars(chosen).items()}
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=chosen.lr, betas=(0.9, 0.98), weight_decay=0.02, fused=True)
    began = checked = time.monotonic()
    tokens = step = 0
    progress = 0.0
    while progress < 1:
        optimizer.param_groups[0]["lr"] = rate(progress, step, chosen.lr)
        batch = next(source)
        with torch.autocast(torch.device(chosen.device).type, torch.bfloat16, enabled=chosen.bf16):
            loss = loss_of(model, batch, chosen.device)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        step += 1
        tokens += batch.real_tokens
        elapsed = time.monotonic() - began
        progress = tokens / chosen.tokens if chosen.tokens else elapsed / (60 * chosen.minutes)
        if step % 50 == 0:
            log.write(
                step=step,
                tokens=tokens,
                loss=round(loss.item(), 4),
                tokens_per_s=round(tokens / elapsed),
                seconds=round(elapsed),
            )
        if time.monotonic() - checked > 60 * chosen.check_minutes or progress >= 1:
            save(model, tokenizer, chosen.out)
            log.write(step=step, tokens=tokens, **check(model, tokenizer, chosen.role, chosen.check_samples))
            checked = time.monotonic()


def main() -> None:
    chosen = arguments()
    logging.disable_progress_bar()
    chosen.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(chosen.threads)
    torch.manual_seed(chosen.seed)  # noqa: TID251 — transformers draws initial weights from the global generator
    tokenizer = AutoTokenizer.from_pretrained(VOCABULARY)
    shape = Shape(chosen.batch, chosen.length, chosen.prompt_weight)
    source = batches(tokenizer, chosen.role, chosen.seed, shape, chosen.workers)
    first = next(source)  # starts the processes before the accelerator is touched
    if chosen.start:
        model = begin_from(chosen.start, chosen.role, tokenizer)
    else:
        model = build(chosen.role, tokenizer, chosen.width, chosen.layers, chosen.heads)
    model.to(chosen.device)
    model.set_attn_implementation(chosen.attention)
    fit(model, tokenizer, _after(first, source), chosen)


def _after(first: Batch, rest: Iterator[Batch]) -> Iterator[Batch]:
    yield first
    yield from rest


if __name__ == "__main__":
    main()
