"""What a training is told to do: TOML in, a checked and complete `TrainRecipe` out.

Decides which keys exist, their defaults and bounds, and where the shipped recipes lie; how a table is read, changed and
checked is decided in `promptcot.recipe`. Nothing is opened or loaded here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from promptcot.core.columns import checked
from promptcot.core.sections import FolderName, Positive, Section
from promptcot.errors import InputError, UsageError
from promptcot.recipe.loading import SHIPPED, parse_as, read_table
from promptcot.training.method_recipe import Dpo, Grpo, check_rollouts, of_its_kind

SHIPPED_TRAIN = Path(SHIPPED) / "train"
"""The training recipes that come with the package."""

Share = Annotated[float, Field(ge=0, lt=1)]
_WEIGHTS_EXACT = 1e-6
"""How far weights may be from their sum, as decimals like 0.333333 are."""


class Architecture(Section):
    """The shape of a decoder, so that a dry run needs no weights: what the model's `config.json` says."""

    layers: Positive
    hidden: Positive
    intermediate: Positive
    heads: Positive
    kv_heads: Positive
    vocabulary: Positive
    head_dim: Positive | None = None
    tied_embeddings: bool = False
    attention_bias: bool = False


class BaseModelSection(Section):
    """The model to start from: a folder, a name on the Hub with a pinned `revision`, or `nano:ROLE`.

    `attention` is `auto` (FlashAttention where it is installed, else one call of torch's fused kernel for each
    sequence), or a name that transformers knows. `chat_template` is a file, for a tokenizer without one.
    """

    path: str
    revision: str | None = None
    tokenizer: str | None = None
    chat_template: str | None = None
    attention: str = "auto"
    architecture: Architecture | None = None


class Source(Section):
    """One of several files or datasets that are mixed, and its share of an epoch's rows.

    What it leaves open of `split`, `columns` and `chat` is as `[data]` says.
    """

    path: str
    weight: Annotated[float, Field(gt=0, le=1)]
    revision: str | None = None
    split: str | None = None
    columns: dict[str, str] | None = None
    chat: bool | None = None
    limit: Positive | None = None

    @field_validator("columns")
    @classmethod
    def _known_fields(cls, columns: dict[str, str] | None) -> dict[str, str] | None:
        return None if columns is None else _fields_of_ours(columns)


class Data(Section):
    """Rows of `prompt` and `completion`, or of `messages`: files, or a dataset of the Hub with a pinned `revision`.

    Rows of known data sets are read too; `columns` says where the fields are in others. Instead of `path`, `mix` names
    several with weights that sum to 1; an epoch has as many rows as all of them together.

    `validation` is a file, or the share of rows that is held out. `chat` puts prompts into the tokenizer's chat
    template; rows with `messages` always are. `loss` says which answers of a chat are learnt: the last, or those of
    all `assistant` turns. `without_reasoning` says what happens to an answer without reasoning where the prompt opens
    the thinking: it is kept as it is, the thinking is closed before it, or the row is dropped.

    `rows` and `tokens_per_row` stand in where a dry run cannot count.
    """

    path: list[str] = Field(default_factory=list)
    mix: list[Source] = Field(default_factory=list)
    revision: str | None = None
    split: str = "train"
    validation: str | Share = 0.0
    chat: bool = False
    loss: Literal["last", "assistant"] = "last"
    without_reasoning: Literal["keep", "close", "drop"] = "keep"
    limit: Positive | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    rows: Positive | None = None
    tokens_per_row: Positive | None = None
    source: str | None = None
    """Where the assumed counts come from."""

    @field_validator("columns")
    @classmethod
    def _known_fields(cls, columns: dict[str, str]) -> dict[str, str]:
        return _fields_of_ours(columns)

    @field_validator("path", mode="before")
    @classmethod
    def _one_path(cls, given: Any) -> Any:
        return [given] if isinstance(given, str) else given

    @model_validator(mode="after")
    def _path_or_mix(self) -> Self:
        if self.path and self.mix:
            raise ValueError(
                "path and mix exclude each other: set path = [] (--set data.path=[]) to mix, or leave mix out"
            )
        if not self.path and not self.mix:
            raise ValueError("there are no rows: set path (--data_path), or mix")
        if self.mix and (self.revision or self.limit):
            raise ValueError("revision and limit are those of one file or dataset: say them in each entry of mix")
        weights = [source.weight for source in self.mix]
        if weights and not math.isclose(sum(weights), 1, rel_tol=0, abs_tol=_WEIGHTS_EXACT):
            summed = f"{' + '.join(f'{weight:g}' for weight in weights)} = {sum(weights):.7g}"
            meant = ", ".join(f"{weight / sum(weights):.6g}" for weight in weights)
            raise ValueError(f"the weights of mix must sum to 1; {summed}. In this proportion they are {meant}")
        return self

    @property
    def sources(self) -> list[Data]:
        """What each source of the mix says alone; without a mix, this itself."""
        return [_alone(self, source) for source in self.mix] or [self]

    @property
    def paths(self) -> list[str]:
        """All files and datasets that are trained on."""
        return [path for source in self.sources for path in source.path]


def _alone(data: Data, source: Source) -> Data:
    own = {name: value for name in ("split", "columns", "chat") if (value := getattr(source, name)) is not None}
    named = {"path": [source.path], "mix": [], "revision": source.revision, "limit": source.limit}
    return data.model_copy(update={**named, **own})


def _fields_of_ours(columns: dict[str, str]) -> dict[str, str]:
    try:
        return checked(columns)
    except UsageError as error:
        raise ValueError(str(error).partition(": ")[2]) from error


class Lora(Section):
    """Low-rank adapters (arXiv 2106.09685) instead of all weights.

    `save` says what becomes of them: `merged` into the model, in `model`; the `adapter` alone, in `adapter`; or both.
    `bits` = 4 keeps the weights below them in NF4 (QLoRA, arXiv 2305.14314), which needs bitsandbytes; the adapters are
    merged into the weights as they were before.
    """

    rank: Positive = 16
    alpha: Positive = 32
    dropout: Share = 0.0
    targets: str | list[str] = "all-linear"
    save: Literal["merged", "adapter", "both"] = "merged"
    bits: Literal[4] | None = None


class Method(Section):
    """How a row is learnt; `kind` names the method, and `dpo` and `grpo` are the keys of these methods alone.

    With `packing`, rows share sequences without seeing each other; without, they are padded.

    `overlong` says what happens to a completion that does not fit the window: the row is dropped, as a trace that was
    cut has no end and teaches not to stop; or it is `cut`. A prompt that does not fit always drops its row.

    Pairs and rollouts are neither packed nor cut.
    """

    kind: Literal["sft", "dpo", "grpo"] = "sft"
    packing: bool = True
    overlong: Literal["cut", "drop"] = "drop"
    lora: Lora | None = None
    liger: bool = True
    dpo: Dpo | None = None
    grpo: Grpo | None = None

    @model_validator(mode="before")
    @classmethod
    def _keys_of_its_kind(cls, given: Any) -> Any:
        return of_its_kind(given) if isinstance(given, Mapping) else given


class Schedule(Section):
    """How long, how fast, and how many sequences at a time on each device.

    A step of the optimizer takes devices × `micro_batch` × `accumulation`, counted as `step_by` says: in "sequences"
    (packs, so that steps have about as many tokens, and a number of rows that depends on their lengths), or in "rows"
    (as without packing, for a learning rate that belongs to a number of rows).
    """

    step_by: Literal["rows", "sequences"] = "sequences"
    max_length: Positive = 16384
    epochs: Annotated[float, Field(gt=0)] = 2.0
    max_steps: Positive | None = None
    micro_batch: Positive = 1
    accumulation: Positive = 8
    learning_rate: Annotated[float, Field(gt=0)] = 5e-6
    kind: Literal["linear", "cosine", "constant", "constant_with_warmup", "cosine_with_min_lr"] = "linear"
    warmup_steps: Annotated[int, Field(ge=0)] = 100
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    beta2: Annotated[float, Field(gt=0, lt=1)] = 0.999
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0


class Precision(Section):
    """In which numbers the model computes, and whether activations are kept or computed again."""

    dtype: Literal["bfloat16", "float32"] = "bfloat16"
    gradient_checkpointing: bool = True


class Parallelism(Section):
    """How many processes share the work, and what DeepSpeed's ZeRO (arXiv 1910.02054) divides among them.

    `zero` 0 is plain data parallelism, without DeepSpeed; `fsdp` is PyTorch's FSDP2 (arXiv 2304.11277) instead, which
    divides as stage 3 does. `devices` counts processes over all machines; who starts them (`promptcot train`,
    deepspeed, torchrun, accelerate) may start another number, and then that one holds.

    `context` devices share each sequence, by DeepSpeed's Ulysses (arXiv 2309.14509): a part of its tokens each, and in
    attention a part of the heads; for sequences that are too long for one device. `grad_accum_dtype` is the type in
    which DeepSpeed adds up gradients over micro-batches; without it, that of the weights it computes with.
    """

    devices: Positive = 1
    zero: Literal[0, 1, 2, 3] = 0
    fsdp: bool = False
    context: Positive = 1
    grad_accum_dtype: Literal["float32", "bfloat16"] | None = None
    offload_optimizer: bool = False
    offload_parameters: bool = False

    @property
    def groups(self) -> int:
        """How many batches are computed at a time: one by each device, or by the devices that share sequences."""
        return self.devices // self.context

    @property
    def divides_weights(self) -> bool:
        """Whether no process has all weights, so that all must take part where they are needed."""
        return self.zero == 3 or self.fsdp

    @model_validator(mode="after")
    def _one_engine(self) -> Self:
        if self.fsdp and self.zero:
            raise ValueError("fsdp divides what zero = 3 does, without DeepSpeed: set fsdp = true or zero, not both")
        if self.fsdp and (self.offload_optimizer or self.offload_parameters):
            raise ValueError("offload_optimizer and offload_parameters are DeepSpeed's: set zero instead of fsdp")
        if self.grad_accum_dtype and not self.zero:
            raise ValueError(
                "grad_accum_dtype is DeepSpeed's: set zero to 1, 2 or 3; without it gradients add up in float32"
            )
        return self

    @model_validator(mode="after")
    def _whole_groups(self) -> Self:
        if self.context > 1 and not self.zero:
            raise ValueError("context cuts sequences by DeepSpeed (Ulysses): set zero to 1, 2 or 3")
        if self.devices % self.context:
            raise ValueError(f"devices = {self.devices} are no whole groups of context = {self.context}")
        return self

    @model_validator(mode="after")
    def _offload_needs_zero(self) -> Self:
        if self.offload_optimizer and self.zero == 0:
            raise ValueError("offload_optimizer needs DeepSpeed: set zero to 1, 2 or 3")
        if self.offload_parameters and self.zero != 3:
            raise ValueError("offload_parameters needs zero = 3, which divides the parameters")
        return self


class Checkpoints(Section):
    """When the state of the training is written, how many of these states are kept, and which becomes the model.

    `best` says which: the `last`, the one with the lowest loss on the rows of `validation`, or the one with the highest
    pass@1 of `watch.eval`. It is kept beside the newest `keep`. After `patience` evaluations that were no better than
    the best one, the training ends.
    """

    every: Positive = 500
    keep: Positive = 6
    best: Literal["last", "validation", "eval"] = "last"
    patience: Positive | None = None


class Benchmark(Section):
    """pass@1 of a benchmark, with the weights as they are at the time.

    `recipe` is a recipe of evaluation (a shipped name or a TOML file), or a benchmark (a name or a file). Asked are `n`
    traces of `problems` of each benchmark, taken at equal distances, or of all, the same ones with the same seeds each
    time, `every` so many steps (as checkpoints, if it is not set) and at the end. `max_tokens` bounds a trace instead
    of the recipe.
    """

    recipe: str
    every: Positive | None = None
    n: Positive = 1
    problems: Positive | None = None
    max_tokens: Positive | None = None


class Watch(Section):
    """What is looked at meanwhile. `samples` completions of validation prompts are drawn at each checkpoint."""

    log_every: Positive = 10
    evaluate_every: Positive | None = None
    eval: Benchmark | None = None
    samples: Annotated[int, Field(ge=0)] = 4
    sample_tokens: Positive = 512
    report_to: tuple[Literal["tensorboard", "wandb"], ...] = ()


Mfu = Annotated[float, Field(gt=0, le=1)]


class Hardware(Section):
    """What a dry run computes for: a device by name, and the share of its peak that training reaches.

    `mfu` is an interval, or one number where it has been measured; `mfu_source` says where it comes from.
    """

    device: str = "A100-80GB"
    mfu: tuple[Mfu, Mfu] = (0.3, 0.5)
    mfu_source: str | None = None

    @field_validator("mfu", mode="before")
    @classmethod
    def _one_number(cls, given: Any) -> Any:
        return (given, given) if isinstance(given, (int, float)) else given

    @field_validator("mfu")
    @classmethod
    def _rising(cls, mfu: tuple[float, float]) -> tuple[float, float]:
        if mfu[0] > mfu[1]:
            raise ValueError("the lower end of the interval comes first")
        return mfu


class Published(Section):
    """What is published of the training that a recipe repeats; a dry run shows it beside what it computes.

    `learning_rate` is the one that belongs to `rows_per_step`: with it, a training of other steps gets a warning.
    `packing` says how the `gpu_hours` were spent.
    """

    steps: Positive | None = None
    rows_per_step: Positive | None = None
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    packing: bool = False
    gpu_hours: Annotated[float, Field(gt=0)] | None = None
    source: str | None = None


class TrainRecipe(Section):
    """One training, complete."""

    name: FolderName = "unnamed"
    seed: Annotated[int, Field(ge=0)] = 8000
    output_dir: str | None = None
    model: BaseModelSection
    data: Data
    method: Method = Method()
    schedule: Schedule = Schedule()
    precision: Precision = Precision()
    parallelism: Parallelism = Parallelism()
    checkpoints: Checkpoints = Checkpoints()
    watch: Watch = Watch()
    hardware: Hardware = Hardware()
    published: Published = Published()

    @model_validator(mode="after")
    def _can_be_judged(self) -> Self:
        chosen = self.checkpoints.best
        if chosen == "validation" and not self.data.validation:
            raise ValueError('checkpoints.best = "validation" needs rows that are held out: set data.validation')
        if chosen == "eval" and self.watch.eval is None:
            raise ValueError('checkpoints.best = "eval" needs a benchmark: set watch.eval.recipe')
        if chosen == "last" and self.checkpoints.patience:
            raise ValueError('checkpoints.patience needs checkpoints.best = "validation" or "eval", to be better than')
        if self.watch.eval and self.parallelism.offload_parameters:
            raise ValueError("watch.eval cannot be had with offload_parameters: each token would fetch all parameters")
        return self

    @model_validator(mode="after")
    def _fits_the_method(self) -> Self:
        if self.method.grpo is not None:
            check_rollouts(self.method.grpo, self.schedule.max_length, self.data.validation)
        if self.method.kind != "sft":
            told = {"data.mix": self.data.mix, 'data.loss = "assistant"': self.data.loss == "assistant"}
            told['schedule.step_by = "rows"'] = self.schedule.step_by == "rows"
            told["data.without_reasoning"] = self.method.kind == "grpo" and self.data.without_reasoning != "keep"
            if others := [name for name, holds in told.items() if holds]:
                raise ValueError(f"{others[0]} is not for method.kind = {self.method.kind!r}: leave it out")
        return self

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        """Refuses what would train something else, or what no library here can do, by its keys."""
        parallel, lora = self.parallelism, self.method.lora
        if parallel.grad_accum_dtype == "bfloat16" and self.precision.dtype == "float32":
            raise ValueError("parallelism.grad_accum_dtype = 'bfloat16' is for precision.dtype = 'bfloat16'")
        packed = self.method.kind == "sft" and self.method.packing and self.schedule.micro_batch == 1
        if parallel.context > 1 and not packed:
            raise ValueError(
                "parallelism.context cuts one packed sequence at a time: it is for method.kind = 'sft' with "
                "method.packing = true and schedule.micro_batch = 1"
            )
        if lora is not None and lora.bits and parallel.divides_weights:
            raise ValueError(
                "method.lora.bits: weights of 4 bits cannot be divided among processes: set parallelism.zero to at "
                "most 2, and fsdp = false"
            )
        return self

    @property
    def directory(self) -> Path:
        """Where the trained model goes: what is given, else `out/train-NAME`."""
        return Path(self.output_dir or f"out/train-{self.name}")

    @property
    def sequences_per_step(self) -> int:
        """The effective batch: sequences (packs, or rows) for each step of the optimizer, over all devices."""
        return self.parallelism.groups * self.schedule.micro_batch * self.schedule.accumulation

    def accumulation_on(self, processes: int) -> int:
        """Micro-batches of each process in a step, so that the effective batch is the recipe's.

        Raises InputError where the processes cannot share it evenly.
        """
        at_once = self.groups_of(processes) * self.schedule.micro_batch
        if self.sequences_per_step % at_once:
            raise InputError(
                f"the recipe's effective batch is {self.sequences_per_step} sequences, which {processes} processes "
                f"with {self.schedule.micro_batch} at a time cannot share evenly: start another number of processes, "
                f"or --set parallelism.devices={processes} and choose schedule.accumulation anew"
            )
        return self.sequences_per_step // at_once

    def groups_of(self, processes: int) -> int:
        """How many batches so many processes compute at a time. Raises InputError where they are no whole groups."""
        context = self.parallelism.context
        if processes % context:
            raise InputError(
                f"parallelism.context = {context}: that many processes share a sequence, and {processes} are no whole "
                "groups of them: start another number"
            )
        return processes // context

    @property
    def rows_per_step(self) -> int | None:
        """The effective batch in rows; None where it is a number of packs."""
        counts_packs = self.method.packing and self.schedule.step_by == "sequences"
        return None if counts_packs else self.sequences_per_step


def load_train(
    name_or_path: str, changes: Sequence[str] = (), overrides: Mapping[str, Any] | None = None
) -> TrainRecipe:
    """The training recipe of that file (`….toml`) or shipped name, changed by `a.b=v` texts and by `overrides`.

    Raises RecipeError with all mistakes.
    """
    where, table = read_table(name_or_path, SHIPPED_TRAIN, changes, overrides)
    return parse_as(TrainRecipe, table, where)
