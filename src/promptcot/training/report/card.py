"""The card of a trained model: its data, its training and its results, as Markdown with metadata for the Hub.

Decides what the card says; `saving` decides where it is written. Pure apart from reading the log. The licence is left
blank: it depends on those of the base model and of the data, which are not known here.
"""

from __future__ import annotations

import dataclasses
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard, ModelCardData

from promptcot import __version__, nano
from promptcot.core.units import duration
from promptcot.evaluation.plots import Result
from promptcot.printable import presentable
from promptcot.records import Row
from promptcot.storage.manifest import installed, manifest
from promptcot.storage.paths import SUFFIXES
from promptcot.storage.provenance import MODEL_FORMAT, command, recipe_sha256
from promptcot.training.data.pairs import PairCounts
from promptcot.training.data.prompts import PromptCounts
from promptcot.training.data.store import StoreCounts
from promptcot.training.recipe import TrainRecipe
from promptcot.training.report.logfile import LogFile

_PACKAGES = ("torch", "transformers", "trl", "accelerate", "deepspeed", "peft", "liger-kernel", "flash-attn", "numpy")
_OF_DATA, _NOT_SHOWN = ("data", "counts", "validation"), ("steps", "seconds", "at_step")
_BEGIN, _END = "<!-- evaluation: begin -->", "<!-- evaluation: end -->"
_ON_THE_HUB = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")

_LEARNT = {
    "sft": "on rows with a prompt and a completion; the loss is computed on completions only",
    "dpo": "by direct preference optimisation (DPO, arXiv 2305.18290) on pairs of a chosen and a rejected answer",
    "grpo": "by group-relative policy optimisation (GRPO, arXiv 2402.03300): the model answered prompts and was "
    "trained on the rewards of its answers",
}

_COUNTS = (StoreCounts, PairCounts, PromptCounts)

_TEMPLATE = Path(__file__).with_name("card.md.jinja")


def text(recipe: TrainRecipe, facts: Mapping[str, Any], log: Path, *, plot: bool = False, adapter: bool = False) -> str:
    """The card, from the recipe, the training's log and `facts`.

    The table of the data has `data` (hashes or revisions by file or dataset), `counts` (rows, tokens, what was dropped
    and cut) and `validation` (the same for held-out rows). All other facts are in the table of how the model was made,
    except `steps` and `seconds`, which are read from the log. If the model is that of a checkpoint, the results are
    those of the step `at_step`. Values may be plain, mappings or counts of a store. With `adapter`, it is the card of
    adapters alone.
    """
    versions = {"promptcot": __version__, "python": platform.python_version(), **installed(_PACKAGES)}
    lines = list(LogFile(log).lines())
    about = {name: facts[name] for name in _OF_DATA if facts.get(name)}
    others = {name: value for name, value in facts.items() if name not in (*_OF_DATA, *_NOT_SHOWN)}
    written = ModelCard.from_template(
        _head(recipe, adapter),
        template_path=_TEMPLATE,
        name=recipe.name,
        adapter=adapter,
        base=_base(recipe.model.path),
        revision=recipe.model.revision,
        learnt=_LEARNT[recipe.method.kind],
        results=_table(("what", "value"), _results(_until(lines, facts.get("at_step")))),
        plot=plot,
        made=_table(("what", "value"), [*_made(recipe, lines, adapter), *_flat(others)]),
        data=_table(("what", "value"), [("data", ", ".join(recipe.data.paths)), *_flat(about)]),
        recipe=recipe.model_dump_json(indent=2),
        versions=_table(("package", "version"), versions.items()),
    )
    return presentable(f"{written}\n")


def with_results(card: str, results: Sequence[Result]) -> str:
    """The card with these results of evaluations. Raises ValueError if it has no place for them."""
    before, begin, rest = card.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError("the card has no marked place for results of evaluations")
    columns = ("model", "benchmark", "accuracy, %", "95 % interval", "problems", "mean tokens")
    table = _table(columns, map(_evaluated, results))
    return f"{before}{begin}\n\n{presentable(table)}\n\n{end}{after}"


def _evaluated(result: Result) -> tuple[str, ...]:
    low, high = result.interval or (None, None)
    interval = "not known" if low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f}"
    tokens = "not known" if result.tokens is None else f"{result.tokens:,.0f}"
    return (result.model, result.group, f"{100 * result.accuracy:.1f}", interval, f"{result.n:,}", tokens)


def _head(recipe: TrainRecipe, adapter: bool) -> ModelCardData:
    return ModelCardData(
        base_model=recipe.model.path if on_the_hub(recipe.model.path) else None,
        datasets=[name for name in recipe.data.paths if on_the_hub(name)] or None,
        library_name="peft" if adapter else "transformers",
        pipeline_tag="text-generation",
        tags=["promptcot", recipe.method.kind, *(["lora"] if adapter else [])],
    )


def on_the_hub(name: str) -> bool:
    """Whether a name is that of a model or a dataset on the Hub."""
    return _ON_THE_HUB.fullmatch(name) is not None and not name.endswith(SUFFIXES) and not Path(name).exists()


def _base(path: str) -> str:
    """A name of the base model that is meaningful on other machines."""
    return path if on_the_hub(path) or nano.is_nano(path) else f"{Path(path).name} (a folder)"


def _last(lines: Sequence[Row], key: str) -> Row | None:
    """The last line of the log that has a value for `key`."""
    return next((line for line in reversed(lines) if line.get(key) is not None), None)


def _until(lines: Sequence[Row], step: int | None) -> Sequence[Row]:
    """The lines logged up to a step; all without one."""
    return [line for line in lines if step is None or line["step"] <= step]


def _results(lines: Sequence[Row]) -> Iterator[tuple[str, str]]:
    for name, key in (("training loss, last logged", "loss"), ("validation loss", "eval_loss")):
        if line := _last(lines, key):
            yield name, f"{line[key]:.4f} (step {line['step']:,})"
    if (line := _last(lines, "pass@1")) and (low_high := line.get("interval")):
        interval = f"{100 * low_high[0]:.1f} to {100 * low_high[1]:.1f}, {line['n']:,} problems"
        name = f"pass@1 of {line['benchmark']} during training"
        yield name, f"{100 * line['pass@1']:.1f} % ({interval}; step {line['step']:,})"
    for name, key in (("mean reward", "reward"), ("share of right answers", "reason/right")):
        if line := _last(lines, key):
            yield f"{name} in training, last logged", f"{line[key]:.3f} (step {line['step']:,})"
    if line := _last(lines, "rewards/accuracies"):
        yield "pairs whose chosen answer is preferred, last logged", f"{100 * line['rewards/accuracies']:.1f} %"
    elif line := _last(lines, "mean_token_accuracy"):
        yield "completion tokens that the model ranked first", f"{100 * line['mean_token_accuracy']:.1f} %"


def _made(recipe: TrainRecipe, lines: Sequence[Row], adapter: bool) -> Iterator[tuple[str, str]]:
    lora, schedule = recipe.method.lora, recipe.schedule
    yield "base model", recipe.model.path
    yield "revision", recipe.model.revision or "none given"
    merged = "the adapters alone" if adapter else "merged"
    how = f"LoRA of rank {lora.rank}, {merged}" if lora else "all weights"
    yield "method", f"{recipe.method.kind.upper()}, {how}"
    if keys := recipe.method.dpo or recipe.method.grpo:
        yield from _flat(keys.model_dump(exclude_none=True), f"{recipe.method.kind}: ")
    if start := _last(lines, "devices"):
        yield "hardware", f"{start['devices']} × {start['device']}"
    if end := _last(lines, "seconds"):
        yield "steps", f"{end['step']:,}"
        yield "tokens seen", f"{end['tokens']:,}, of which {end['completion_tokens']:,} in completions"
        yield "time", duration(end["seconds"])
    rows = "sequences" if recipe.rows_per_step is None else "rows"
    batch = {"sft": rows, "dpo": "pairs with sides", "grpo": "completions with their prompts,"}[recipe.method.kind]
    packed = "packed" if recipe.method.packing else "padded"
    yield "batch", f"{recipe.sequences_per_step:,} {batch} of up to {schedule.max_length:,} tokens, {packed}"
    if not adapter:
        yield "weights stored in", recipe.precision.dtype
    yield "format", MODEL_FORMAT
    yield "sha256 of the recipe", recipe_sha256(manifest(recipe.model_dump(mode="json"), {}, {}))
    yield "command", command() or "none: trained from Python"


def _flat(facts: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Nested facts as one table."""
    for name, value in facts.items():
        path = f"{above}{name}"
        plain = dataclasses.asdict(value) if isinstance(value, _COUNTS) else value
        if isinstance(plain, Mapping):
            yield from _flat(plain, f"{path}: ")
        elif isinstance(plain, list | tuple):
            yield from [(path, "; ".join(map(str, plain)))] if plain else []
        elif plain is not None:
            yield path, f"{plain:,}" if type(plain) is int else str(plain)


def _table(columns: Sequence[str], rows: Any) -> str:
    cells = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in row)} |" for row in cells)


def _cell(words: str) -> str:
    return words.replace("|", "\\|").replace("\n", " ")
