"""The training recipe: reads TOML into a checked and complete `TrainRecipe`.

Decides which keys exist, their defaults and bounds, and where the shipped recipes are; `promptcot.recipe` reads,
overrides and checks tables. Nothing is opened or loaded here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from promptcot.core.sections import FolderName, Positive, Section
from promptcot.errors import InputError
from promptcot.recipe.loading import SHIPPED, parse_as, read_table
from promptcot.training.data_recipe import Data, Share
from promptcot.training.machine_recipe import Hardware, Parallelism, Precision, Published
from promptcot.training.method_recipe import Dpo, Grpo, check_rollouts, of_its_kind

SHIPPED_TRAIN = Path(SHIPPED) / "train"
"""The training recipes that come with the package."""


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
    """The base model: a folder, a name on the Hub with a pinned `revision`, or `nano:ROLE`.

    `attention` is `auto` (FlashAttention if installed, else one call of torch's fused kernel for each sequence), or a
    name that transformers knows. `chat_template` is a file, for a tokenizer without one.
    """

    path: str
    revision: str | None = None
    tokenizer: str | None = None
    chat_template: str | None = None
    attention: str = "auto"
    architecture: Architecture | None = None


class Lora(Section):
    """Low-rank adapters (arXiv 2106.09685) instead of full fine-tuning.

    `save` selects the output: `merged` into the model, in `model`; the `adapter` alone, in `adapter`; or both. `bits` =
    4 keeps the base weights in NF4 (QLoRA, arXiv 2305.14314), which needs bitsandbytes; the adapters are merged into
    the original weights.
    """

    rank: Positive = 16
    alpha: Positive = 32
    dropout: Share = 0.0
    targets: str | list[str] = "all-linear"
    save: Literal["merged", "adapter", "both"] = "merged"
    bits: Literal[4] | None = None


class Method(Section):
    """How rows are trained on; `kind` names the method, and `dpo` and `grpo` are the keys of these methods alone.

    With `packing`, rows share sequences without seeing each other; without, they are padded.

    `overlong` says what happens to a completion that does not fit the window: the row is dropped, because a truncated
    trace teaches the model not to stop; or the completion is `cut`. A prompt that does not fit always drops its row.

    Pairs and rollouts are neither packed nor truncated.
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
    def _keys_of_its_kind(cls, table: Any) -> Any:
        return of_its_kind(table) if isinstance(table, Mapping) else table


class Schedule(Section):
    """The length, the learning rate, and the batch size of each device.

    A step of the optimizer takes devices × `micro_batch` × `accumulation`, counted as `step_by` specifies: in
    "sequences" (packs: steps have about equal numbers of tokens, and numbers of rows that depend on their lengths), or
    in "rows" (as without packing, for a learning rate that belongs to a number of rows).
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


class Checkpoints(Section):
    """When checkpoints are written, how many are kept, and which one becomes the model.

    `best` selects it: the `last`, the one with the lowest loss on the rows of `validation`, or the one with the highest
    pass@1 of `watch.eval`. It is kept in addition to the newest `keep`. The training ends after `patience` evaluations
    without improvement over the best one.
    """

    every: Positive = 500
    keep: Positive = 6
    best: Literal["last", "validation", "eval"] = "last"
    patience: Positive | None = None


class Benchmark(Section):
    """pass@1 of a benchmark during the training.

    `recipe` is an evaluation recipe (a shipped name or a TOML file), or a benchmark (a name or a file). The model
    answers `n` traces of `problems` of each benchmark, taken at equal distances, or of all, with the same problems and
    seeds each time, `every` so many steps (by default with the checkpoints) and at the end. `max_tokens` overrides the
    recipe's limit.
    """

    recipe: str
    every: Positive | None = None
    n: Positive = 1
    problems: Positive | None = None
    max_tokens: Positive | None = None


class Watch(Section):
    """What is monitored. `samples` completions of validation prompts are generated at each checkpoint."""

    log_every: Positive = 10
    evaluate_every: Positive | None = None
    eval: Benchmark | None = None
    samples: Annotated[int, Field(ge=0)] = 4
    sample_tokens: Positive = 512
    report_to: tuple[Literal["tensorboard", "wandb"], ...] = ()


class TrainRecipe(Section):
    """One training run, complete."""

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
            raise ValueError('checkpoints.patience needs checkpoints.best = "validation" or "eval", which it compares')
        if self.watch.eval and self.parallelism.offload_parameters:
            raise ValueError("watch.eval does not work with offload_parameters: each token would load all parameters")
        return self

    @model_validator(mode="after")
    def _fits_the_method(self) -> Self:
        if self.method.grpo is not None:
            check_rollouts(self.method.grpo, self.schedule.max_length, self.data.validation)
        if self.method.kind != "sft":
            exclusive = {"data.mix": self.data.mix, 'data.loss = "assistant"': self.data.loss == "assistant"}
            exclusive['schedule.step_by = "rows"'] = self.schedule.step_by == "rows"
            exclusive["data.without_reasoning"] = self.method.kind == "grpo" and self.data.without_reasoning != "keep"
            if others := [name for name, holds in exclusive.items() if holds]:
                raise ValueError(f"{others[0]} is not for method.kind = {self.method.kind!r}: leave it out")
        return self

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        """Rejects combinations that would change the training silently, or that no library here supports."""
        parallel, lora = self.parallelism, self.method.lora
        if parallel.grad_accum_dtype == "bfloat16" and self.precision.dtype == "float32":
            raise ValueError("parallelism.grad_accum_dtype = 'bfloat16' is for precision.dtype = 'bfloat16'")
        packed = self.method.kind == "sft" and self.method.packing and self.schedule.micro_batch == 1
        if parallel.context > 1 and not packed:
            raise ValueError(
                "parallelism.context splits one packed sequence at a time, so it needs method.kind = 'sft' with "
                "method.packing = true and schedule.micro_batch = 1"
            )
        if lora is not None and lora.bits and parallel.divides_weights:
            raise ValueError(
                "method.lora.bits: 4-bit weights cannot be sharded over processes: set parallelism.zero to at "
                "most 2, and fsdp = false"
            )
        return self

    @property
    def directory(self) -> Path:
        """The directory of the trained model: the given one, else `out/train-NAME`."""
        return Path(self.output_dir or f"out/train-{self.name}")

    @property
    def sequences_per_step(self) -> int:
        """The effective batch: sequences (packs, or rows) for each step of the optimizer, over all devices."""
        return self.parallelism.groups * self.schedule.micro_batch * self.schedule.accumulation

    def accumulation_on(self, processes: int) -> int:
        """Micro-batches of each process in a step that give the recipe's effective batch.

        Raises InputError if the processes cannot share it evenly.
        """
        at_once = self.groups_of(processes) * self.schedule.micro_batch
        if self.sequences_per_step % at_once:
            raise InputError(
                f"the recipe's effective batch is {self.sequences_per_step} sequences, which {processes} processes "
                f"with {self.schedule.micro_batch} at a time cannot share evenly: start a different number, "
                f"or --set parallelism.devices={processes} and choose another schedule.accumulation"
            )
        return self.sequences_per_step // at_once

    def groups_of(self, processes: int) -> int:
        """The number of batches that the processes compute at a time. Raises InputError if it is not a whole number."""
        context = self.parallelism.context
        if processes % context:
            raise InputError(
                f"parallelism.context = {context}: that many processes share a sequence, and {processes} processes "
                f"is not a multiple of {context}: start a different number"
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
    """The training recipe in that file (`….toml`) or with that shipped name, with `a.b=v` overrides and `overrides`
    applied.

    Raises RecipeError with all mistakes.
    """
    where, table = read_table(name_or_path, SHIPPED_TRAIN, changes, overrides)
    return parse_as(TrainRecipe, table, where)
