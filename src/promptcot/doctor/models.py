"""Reports the engine of each model and why it was chosen, whether the model's files are usable, and where it runs.

Covers models on this machine; `servers` checks models behind a URL.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from promptcot import nano
from promptcot.doctor.findings import Finding, note, ok, problem, problem_of
from promptcot.doctor.machine import version_of
from promptcot.engines.machine import memory_free, visible_gpus
from promptcot.engines.model_files import WeightsSize, config_of, folder_on_disk, has_chat_template, weights_bytes
from promptcot.engines.opening import Engines, kind_of, local_folder
from promptcot.engines.vllm.options import ServerOptions, number
from promptcot.engines.vllm.placement import Placement, take, together
from promptcot.engines.vllm.server import need_of, place
from promptcot.engines.weights import adapter_fault, weights_fault
from promptcot.errors import InputError, PromptCoTError
from promptcot.pipeline.plan import PlannedStep
from promptcot.recipe.recipe import Recipe
from promptcot.recipe.schema import Encode, Model, Served

_GB = 1e9
_USUAL_PROMPT = 600
"""The approximate length of a judge's prompt in tokens, which must fit in the context beside the reply."""


@dataclass
class Asked:
    """One model with all the steps that use it."""

    spec: Served
    role: str
    steps: list[str] = field(default_factory=list)
    models: list[Model] = field(default_factory=list)
    """The sampling settings of its steps; none for a model that only embeds."""

    @property
    def kind(self) -> str:
        return kind_of(self.spec)

    @property
    def path(self) -> str | Path:
        """The folder, or the name on the Hub or on a server. Raises InputError for an unknown embedded model."""
        return self.spec.model if self.kind == "openai" else nano.resolve(self.spec.model, self.role)

    @property
    def max_tokens(self) -> int:
        """The longest requested reply."""
        return max((model.max_tokens for model in self.models), default=0)


def models_of(steps: Sequence[PlannedStep]) -> list[Asked]:
    """The distinct models of a run, in the order of their steps."""
    found: dict[str, Asked] = {}
    for step in steps:
        if step.model is not None:
            before = found.setdefault(_key(step.model, step.role), Asked(step.model, step.role))
            before.steps.append(step.name)
            before.models.extend([step.model] if isinstance(step.model, Model) else [])
    return list(found.values())


def _key(spec: Served, role: str) -> str:
    """A key that is equal for equal models. A vLLM server for vectors counts as a separate model."""
    apart = isinstance(spec, Encode) and kind_of(spec) == "vllm"
    model = role if spec.model == nano.NAME and kind_of(spec) != "openai" else spec.model
    return f"{apart} {model} {spec.model_dump_json(include=set(Served.model_fields) - {'price', 'model'})}"


def look_at_model(asked: Asked) -> Iterator[Finding]:
    """The engine of a model, its files, and its placement. For a model behind a URL only the engine."""
    yield ok(f"served by {_NAMES.get(asked.kind, 'an engine of your own')}: {_why(asked.spec)}")
    if asked.kind not in ("local", "vllm"):
        return
    try:
        local = asked.kind == "local"
        found = local_folder(asked.spec.model, asked.role) if local else folder_on_disk(asked.path)
        if found is not None:
            yield from _files(asked, found)
        else:
            yield note(f"{asked.path} is not on this machine: vLLM fetches it from the Hub when it starts")
        yield from _vllm_place(asked) if asked.kind == "vllm" else _local_place(asked)
    except InputError as error:
        yield problem_of(error)


_NAMES = {"openai": "a server", "vllm": "vLLM, started for the run", "local": "this process"}


def _why(spec: Served) -> str:
    if spec.base_url:
        return f"a URL is given ({', '.join(spec.base_url)})"
    if spec.engine != "auto":
        return f'engine = "{spec.engine}"'
    if nano.is_nano(spec.model):
        return "it is an embedded model"
    if not visible_gpus():
        return "no GPU is found"
    return "vLLM and a GPU are found" if version_of("vllm") else "a GPU is found, but vLLM is not installed"


def _files(asked: Asked, folder: Path) -> Iterator[Finding]:
    config = config_of(folder)
    size = weights_bytes(folder)
    if config is None:
        yield problem(f"{folder}: no readable config.json", "give the folder of a complete model")
    if (fault := weights_fault(folder) or adapter_fault(folder)) is not None:
        yield problem(*fault)
    if size is None or size.guessed:
        return
    tokens = context_of(asked, config or {})
    yield ok(f"{folder.name}: {_size(size)} of weights, context {f'{tokens:,}' if tokens else 'unknown'}")
    yield from context_findings(tokens, asked)
    yield from _tokenizer(asked, Path(asked.spec.tokenizer or folder))


def context_of(asked: Asked, config: dict[str, Any]) -> int | None:
    """Tokens that prompt and reply may have together: what is passed to vLLM, else what the configuration says."""
    text = {**config, **(config.get("text_config") or {})}
    given = number(asked.spec.engine_args, "--max-model-len") if asked.kind == "vllm" else None
    found = given or text.get("max_position_embeddings")
    return found if isinstance(found, int) else None


def context_findings(tokens: int | None, asked: Asked) -> Iterator[Finding]:
    """Whether the longest reply leaves room for a prompt."""
    if tokens is None or tokens > asked.max_tokens + _USUAL_PROMPT:
        return
    limit = f"max_tokens = {asked.max_tokens:,} in a context of {tokens:,} tokens leaves"
    if tokens <= asked.max_tokens:
        yield problem(f"{limit} no room for a prompt: every call is refused", "lower max_tokens of this step")
    else:
        yield note(f"{limit} {tokens - asked.max_tokens:,} for the prompt; calls with longer ones are refused")


def _tokenizer(asked: Asked, folder: Path) -> Iterator[Finding]:
    if not folder.is_dir():
        yield problem(f"{folder}: no such tokenizer folder", "correct `tokenizer`, or leave it out")
        return
    if not (folder / "tokenizer.json").is_file():
        yield note(f"{folder.name}: no tokenizer.json; the trial shows whether its tokenizer can be converted")
    elif trouble := _tokenizer_trouble(folder):
        yield problem(f"{folder}: the tokenizer does not load ({trouble})", "fetch the model's files again")
    else:
        yield ok("the tokenizer loads")
    if asked.models:
        yield _template(asked, has_chat_template(folder))


def _tokenizer_trouble(folder: Path) -> str | None:
    """The reason why tokenizer.json cannot be used, if any; without torch or transformers, which load slowly."""
    if importlib.util.find_spec("tokenizers") is None:
        return None
    try:
        importlib.import_module("tokenizers").Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # the library raises plain Exceptions
        return str(error)
    return None


def _template(asked: Asked, there: bool) -> Finding:
    chats = any(model.chat for model in asked.models)
    if chats and not there:
        return problem(
            "it is used as a chat model, but its tokenizer has no chat template",
            "set chat = false for this step, or take a chat model (its name often ends in Instruct or Chat)",
        )
    return ok(
        f"it gets {'chats' if chats else 'raw prompts'}; its tokenizer has {'a' if there else 'no'} chat template"
    )


def _local_place(asked: Asked) -> Iterator[Finding]:
    gpus = take(asked.spec.n_gpus, visible_gpus())
    if asked.spec.n_gpus and len(gpus) > 1:
        yield problem(
            f"n_gpus = {asked.spec.n_gpus}: this process uses one GPU; several need vLLM",
            "pip install 'promptcot[vllm]' and engine = 'vllm', or n_gpus = 1",
        )
        return
    weights, config = weights_bytes(asked.path), config_of(asked.path) or {}
    if gpus or weights is None:
        return
    is_half = config.get("dtype", config.get("torch_dtype")) in ("bfloat16", "float16")
    needed = weights.bytes * (2 if is_half and asked.spec.dtype in ("auto", "float32") else 1)
    if needed > memory_free():
        yield problem(
            f"{needed / _GB:.0f} GB for its weights, and {memory_free() / _GB:.0f} GB of memory are free",
            "take a smaller model, dtype = 'bfloat16', or a server (--base-url)",
        )


def _vllm_place(asked: Asked) -> Iterator[Finding]:
    spec = asked.spec
    options = ServerOptions(str(asked.path), spec.model, spec.tokenizer, spec.dtype, extra=tuple(spec.engine_args))
    size = weights_bytes(asked.path)
    if size is not None and size.guessed:
        yield note(f"its name suggests {_size(size)} of weights")
    yield ok(f"alone on this machine it runs on {_placed(place(options, spec.n_gpus))}")


def _placed(placement: Placement) -> str:
    if placement.on_cpu:
        return "the processor"
    copies = f"{placement.data} cop{'ies' if placement.data > 1 else 'y'}"
    return f"{copies}, each on {placement.tensor} GPU{'s' * (placement.tensor > 1)}"


def _size(size: WeightsSize) -> str:
    return f"{size.bytes / _GB:.1f} GB" if size.bytes >= 1e8 else f"{size.bytes / 1e6:.1f} MB"


def look_at_fit(recipe: Recipe, models: Sequence[Asked]) -> Iterator[Finding]:
    """Whether several vLLM models run side by side or one after another; empty for fewer than two."""
    ours = [asked for asked in models if asked.kind == "vllm" and asked.models]
    if len(ours) < 2:
        return
    try:
        fit = Engines(Path()).place([(asked.spec, asked.role) for asked in ours])
        if recipe.run.models == "in turn":
            yield ok("the models take turns, as run.models says")
        elif fit:
            yield ok(f"the {len(ours)} vLLM models run side by side{_sides(ours)}")
        elif recipe.run.models == "together":
            yield problem("the models do not fit together, but run.models requires it", 'set run.models = "auto"')
        else:
            yield note("the models do not fit together: they run one after another (run.models)")
    except PromptCoTError as error:
        yield problem_of(error)


def _sides(ours: Sequence[Asked]) -> str:
    gpus = take(max(asked.spec.n_gpus for asked in ours), visible_gpus())
    found = together([need_of(asked.path, asked.spec.model) for asked in ours], gpus) if gpus else None
    pairs = zip(ours, found or (), strict=False)
    placements = "; ".join(f"{asked.spec.model} on {_placed(placement)}" for asked, placement in pairs)
    return f": {placements}" if placements else " on the processor"
