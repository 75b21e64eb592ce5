"""The recipe's section on hardware: number types, processes, sharding, and devices of a dry run.

Decides keys, defaults and bounds, and which of them exclude each other.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from promptcot.core.sections import Positive, Section


class Precision(Section):
    """The number type of the model, and whether activations are kept or recomputed."""

    dtype: Literal["bfloat16", "float32"] = "bfloat16"
    gradient_checkpointing: bool = True


class Parallelism(Section):
    """The number of processes, and what DeepSpeed's ZeRO (arXiv 1910.02054) shards over them.

    `zero` 0 is plain data parallelism, without DeepSpeed; `fsdp` is PyTorch's FSDP2 (arXiv 2304.11277) instead, which
    shards like stage 3. `devices` counts processes over all machines; the launcher (`promptcot train`, deepspeed,
    torchrun, accelerate) may start another number, which then takes precedence.

    `context` devices share each sequence, with DeepSpeed's Ulysses (arXiv 2309.14509): each has part of its tokens, and
    part of the heads in attention; for sequences that are too long for one device. `grad_accum_dtype` is the type in
    which DeepSpeed accumulates gradients over micro-batches; by default that of the weights in computation.
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
        """The number of batches computed at a time: one by each device, or by each group of devices that share
        sequences.
        """
        return self.devices // self.context

    @property
    def divides_weights(self) -> bool:
        """Whether no process has all weights, so that all must take part when they are needed."""
        return self.zero == 3 or self.fsdp

    @model_validator(mode="after")
    def _one_engine(self) -> Self:
        if self.fsdp and self.zero:
            raise ValueError(
                "fsdp shards the same states as zero = 3, without DeepSpeed: set fsdp = true or zero, not both"
            )
        if self.fsdp and (self.offload_optimizer or self.offload_parameters):
            raise ValueError("offload_optimizer and offload_parameters are DeepSpeed's: set zero instead of fsdp")
        if self.grad_accum_dtype and not self.zero:
            raise ValueError(
                "grad_accum_dtype is DeepSpeed's: set zero to 1, 2 or 3; else gradients are accumulated in float32"
            )
        return self

    @model_validator(mode="after")
    def _whole_groups(self) -> Self:
        if self.context > 1 and not self.zero:
            raise ValueError("context splits sequences with DeepSpeed (Ulysses): set zero to 1, 2 or 3")
        if self.devices % self.context:
            raise ValueError(f"devices = {self.devices} is not a multiple of context = {self.context}")
        return self

    @model_validator(mode="after")
    def _offload_needs_zero(self) -> Self:
        if self.offload_optimizer and self.zero == 0:
            raise ValueError("offload_optimizer needs DeepSpeed: set zero to 1, 2 or 3")
        if self.offload_parameters and self.zero != 3:
            raise ValueError("offload_parameters needs zero = 3, which shards the parameters")
        return self


Mfu = Annotated[float, Field(gt=0, le=1)]


class Hardware(Section):
    """The hardware of a dry run: a device by name, and the share of its peak that training reaches.

    `mfu` is an interval, or one number if it was measured; `mfu_source` is its source.
    """

    device: str = "A100-80GB"
    mfu: tuple[Mfu, Mfu] = (0.3, 0.5)
    mfu_source: str | None = None

    @field_validator("mfu", mode="before")
    @classmethod
    def _one_number(cls, value: Any) -> Any:
        return (value, value) if isinstance(value, (int, float)) else value

    @field_validator("mfu")
    @classmethod
    def _rising(cls, mfu: tuple[float, float]) -> tuple[float, float]:
        if mfu[0] > mfu[1]:
            raise ValueError("the lower end of the interval comes first")
        return mfu


class Published(Section):
    """Published facts about the training that a recipe reproduces; a dry run shows them beside its own numbers.

    `learning_rate` belongs to `rows_per_step`: a training run with other steps gets a warning. `packing` says how the
    `gpu_hours` were spent.
    """

    steps: Positive | None = None
    rows_per_step: Positive | None = None
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    packing: bool = False
    gpu_hours: Annotated[float, Field(gt=0)] | None = None
    source: str | None = None
