"""Estimates the device memory of a training, and the host memory where ZeRO offloads to it. Pure arithmetic.

Counts what PyTorch allocates at the peak of a step: the states, which are always present, and either what the loss
needs or what one layer needs, whichever is larger. Sources: ZeRO, arXiv 1910.02054, 3.1 and 5 (2 + 2 + 12 bytes per
parameter, and what each stage divides); DeepSpeed's own estimates `estimate_zero2_model_states_mem_needs` and
`estimate_zero3_model_states_mem_needs` (16 and 18 bytes of host memory); activations after Korthikanti et al., arXiv
2205.05198, 4.1, recounted for a gated MLP, grouped keys and an attention that keeps no score matrix; checkpointing
after Chen et al., arXiv 1604.06174.
"""

from __future__ import annotations

from dataclasses import dataclass

from promptcot.training.forecast.architecture import Shape
from promptcot.training.forecast.devices import GIB
from promptcot.training.forecast.methods import drawing, reference_weights, sequences_at_once
from promptcot.training.recipe import TrainRecipe

CONTEXT = GIB
"""Assumed for what no tensor holds: the device's context, the libraries' workspaces, gaps between blocks."""

LOSS_TOKENS, LOSS_WORDS = 4096, 32768
"""The tile of logits that exists at a time in TRL 1.16: `TOKEN_CHUNK_SIZE` of `trl.kernels.chunked_logprob` and
`_CHUNKED_LOGPROB_CHUNK_SIZE` of `trl.trainer.utils`."""

DEEPSPEED_SLACK = 1.5
"""What DeepSpeed's estimates multiply the memory of the host by: their `additional_buffer_factor`."""

_NF4 = 4.127
"""Bits of a weight in NF4 with double quantisation (arXiv 2305.14314, section 3)."""

BUCKET, LIVE = 500_000_000, 1_000_000_000
"""Elements of DeepSpeed's buckets for gradients, and of gathered parameters in stage 3: the defaults
`reduce_bucket_size` and `stage3_max_live_parameters`."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes on one device, and on the host for all devices together."""

    weights: int
    gradients: int
    optimizer: int
    kept: int
    """Activations from the forward pass until the backward pass: with checkpointing, the layers' inputs."""
    layer: int
    """What one layer needs during its backward pass: its activations, computed again or not, and their gradients."""
    logits: int
    """What the loss needs: a tile of logits, and the gradients of the head and of its input."""
    step: int
    """What the optimizer's step needs, after the activations are gone: under ZeRO, gradients in float32."""
    other: int
    """Buckets of communication, gathered parameters, and CONTEXT."""
    host: int
    drawing: int
    """Keys and values while completions are drawn, which is before activations are there."""
    saving: int
    """On the host while a checkpoint is written: the first process's copy of all weights, under ZeRO."""

    @property
    def on_host(self) -> int:
        """The most on the host at any moment."""
        return self.host + self.saving

    @property
    def states(self) -> int:
        """Weights, gradients and optimizer."""
        return self.weights + self.gradients + self.optimizer

    @property
    def total(self) -> int:
        """The most at any moment: the loss, a layer's backward pass and the step come one after the other."""
        return self.states + max(self.kept + max(self.layer, self.logits), self.step, self.drawing) + self.other


@dataclass(frozen=True, slots=True)
class _Layout:
    """How many bytes an element of each kind has. `stream` is what passes from layer to layer."""

    master: int
    """Of a weight that the model holds."""
    gradient: int
    computed: int
    """Of an element that a matrix product reads."""
    stream: int

    @property
    def casts(self) -> bool:
        """Whether each product casts what it reads: torch's autocast, with weights in float32."""
        return self.stream != self.computed


def _layout(recipe: TrainRecipe) -> _Layout:
    """Weights that learn without DeepSpeed are float32, and autocast computes in bfloat16; else they are bfloat16.

    FSDP casts the weights that it gathers, so that all that it computes with is bfloat16.
    """
    parallel = recipe.parallelism
    if recipe.precision.dtype == "float32":
        return _Layout(4, 4, 4, 4)
    if parallel.fsdp:
        return _Layout(2 if recipe.method.lora else 4, 4, 2, 2)
    gradient = 4 if parallel.grad_accum_dtype == "float32" else 2
    return _Layout(2, gradient, 2, 2) if parallel.zero or recipe.method.lora else _Layout(4, 4, 2, 4)


def saved_by_layer(shape: Shape, *, computed: int, stream: int) -> int:
    """Bytes a token that one layer saves for its backward pass, its input not counted where it is saved as it is.

    With h, q, k, i elements of hidden state, queries, keys and the inside of the MLP: each of two norms saves its input
    in float32, its normalised input and what the products read (cast once for each product under autocast); attention
    saves q + k + k + q and a float32 number for each head; the MLP 4 i.
    """
    hidden, norms = shape.hidden, 2 * 4 + 4 * shape.heads
    if computed == stream == 2:
        norms += 2 * (4 + 2 + 2) * hidden
    elif computed == stream:
        norms += (4 + 4) * hidden + (4 + 4 + 4) * hidden
    else:
        norms += (4 + 3 * 2) * hidden + (4 + 4 + 2 * 2) * hidden
    return norms + computed * (2 * shape.queries + 2 * shape.keys + 4 * shape.intermediate)


def memory(shape: Shape, recipe: TrainRecipe) -> Memory:
    """What each device needs for this recipe, at `schedule.max_length` tokens in each sequence."""
    layout, parallel = _layout(recipe), recipe.parallelism
    tokens = -(-sequences_at_once(recipe) * recipe.schedule.max_length // parallel.context)
    learnt = _learnt(shape, recipe)
    weights, gradients, optimizer, host = _states(shape, recipe, layout, learnt)
    kept, layer = _activations(shape, recipe, layout, tokens)
    divided = recipe.parallelism.devices if recipe.parallelism.zero == 3 else 1
    return Memory(
        weights=weights + layout.master * reference_weights(shape, recipe) // divided,
        drawing=drawing(shape, recipe, layout.computed),
        gradients=gradients,
        optimizer=optimizer,
        kept=kept,
        layer=layer,
        logits=_loss(shape, recipe, layout, tokens),
        step=_step(recipe, learnt),
        other=CONTEXT + _communication(shape, recipe, layout, learnt),
        host=host,
        saving=layout.master * shape.parameters if _copies(recipe) else 0,
    )


def _copies(recipe: TrainRecipe) -> bool:
    """Whether all weights are on the host to be written: by DeepSpeed, where they are divided, or were rounded."""
    parallel, lora = recipe.parallelism, recipe.method.lora
    return (parallel.zero > 0 and lora is None) or parallel.fsdp or (lora is not None and lora.bits is not None)


def _base(shape: Shape, recipe: TrainRecipe, layout: _Layout) -> int:
    """Bytes of the base model's weights: with QLoRA those of its layers have 4 bits, and 0.127 for their constants."""
    lora = recipe.method.lora
    if lora is None or lora.bits is None:
        return layout.master * shape.parameters
    rounded = shape.layers * shape.layer_parameters
    return round(rounded * _NF4 / 8) + layout.master * (shape.parameters - rounded)


def _learnt(shape: Shape, recipe: TrainRecipe) -> int:
    lora = recipe.method.lora
    return shape.parameters if lora is None else shape.adapter_parameters(lora.rank)


def _states(shape: Shape, recipe: TrainRecipe, layout: _Layout, learnt: int) -> tuple[int, int, int, int]:
    """Weights, gradients and optimizer on a device, and what is on the host (ZeRO, arXiv 1910.02054, 5).

    Plainly each device holds all: 4 bytes of weight that learns, 4 of gradient, 8 of Adam. ZeRO keeps a float32 copy of
    the weights with Adam's two numbers, 12, and divides these from stage 1 on, gradients from 2 on, weights at 3.
    """
    parallel, base = recipe.parallelism, _base(shape, recipe, layout)
    if not parallel.zero:
        devices = parallel.devices if parallel.fsdp else 1
        adapters = 4 * learnt if recipe.method.lora else 0
        return (base + adapters) // devices, 4 * learnt // devices, 8 * learnt // devices, 0
    held = base + (layout.master * learnt if recipe.method.lora else 0)
    share = {stage: parallel.devices if parallel.zero >= stage else 1 for stage in (1, 2, 3)}
    weights = held // share[3]
    gradients = layout.gradient * learnt // share[2]
    optimizer = 12 * learnt // share[1]
    host = 0
    if parallel.offload_optimizer:
        host, optimizer = (12 + 4) * learnt, 0  # the copy, Adam's numbers, and gradients in float32 for its step
        gradients = 0 if parallel.zero > 1 else gradients
    if parallel.offload_parameters:
        host, weights = host + held, 0
    return weights, gradients, optimizer, host


def _activations(shape: Shape, recipe: TrainRecipe, layout: _Layout, tokens: int) -> tuple[int, int]:
    """What is kept until the backward pass, and what the layer at work needs beside it."""
    saved = tokens * saved_by_layer(shape, computed=layout.computed, stream=layout.stream)
    inputs = tokens * shape.hidden * layout.stream
    # The gradients of the MLP's product, gate and up are there together, its product no more; and two of the stream.
    passing = tokens * (2 * shape.intermediate * layout.computed + 2 * shape.hidden * layout.stream)
    cast = layout.computed * shape.layer_parameters if layout.casts else 0
    if recipe.precision.gradient_checkpointing:
        return shape.layers * inputs, saved + passing + cast
    everywhere = shape.layers * layout.computed * shape.layer_parameters if layout.casts else 0
    return shape.layers * (saved + inputs) + everywhere, passing


def _loss(shape: Shape, recipe: TrainRecipe, layout: _Layout, tokens: int) -> int:
    """The fullest moment of the loss: at its start all weights that autocast has cast, or in its backward pass.

    The logits are never whole: `ChunkedLogProbFunction` of TRL holds one tile, and adds the gradients of the head and
    of its input up in float32.
    """
    tile = min(tokens, LOSS_TOKENS) * min(shape.vocabulary, LOSS_WORDS) * layout.computed
    words = min(shape.vocabulary, LOSS_WORDS) * shape.hidden * layout.computed if layout.casts else 0
    hidden = tokens * shape.hidden * (layout.stream + layout.computed)
    checkpointing = recipe.precision.gradient_checkpointing
    cast = shape.layers * shape.layer_parameters * layout.computed if layout.casts and checkpointing else 0
    gradients = 4 * tokens * shape.hidden + (0 if recipe.method.lora else 4 * shape.embedding_parameters)
    return tile + words + hidden + max(cast, gradients)


def _step(recipe: TrainRecipe, learnt: int) -> int:
    """DeepSpeed's optimizer gets its share of the gradients in float32; the plain one is fused and needs no more."""
    parallel = recipe.parallelism
    halves = parallel.zero > 0 and recipe.precision.dtype == "bfloat16"
    return 4 * learnt // parallel.devices if halves and not parallel.offload_optimizer else 0


def _communication(shape: Shape, recipe: TrainRecipe, layout: _Layout, learnt: int) -> int:
    """Buckets: a copy of all gradients (DistributedDataParallel without `gradient_as_bucket_view`), or DeepSpeed's.

    FSDP has two layers gathered, the one at work and the next, head and table, and gradients of one layer. DeepSpeed
    fills one bucket while the other travels (`overlap_comm`); at stage 3 it has one, and gathers parameters.
    """
    parallel = recipe.parallelism
    if parallel.fsdp:
        return layout.computed * (3 * shape.layer_parameters + 2 * shape.embedding_parameters)
    if not parallel.zero:
        return 4 * learnt if parallel.devices > 1 else 0
    if parallel.zero < 3:
        return 2 * layout.gradient * BUCKET
    return layout.gradient * BUCKET + layout.master * min(shape.parameters, LIVE)


def deepspeed_host(shape: Shape, recipe: TrainRecipe) -> int | None:
    """Bytes of host memory on one machine, as DeepSpeed's own estimates have it, their slack included.

    The arithmetic of `estimate_zero2_model_states_mem_needs` and `estimate_zero3_model_states_mem_needs`, which also
    count what each process loads in float32 before it is divided. None without DeepSpeed, and for adapters, which they
    do not know.
    """
    parallel = recipe.parallelism
    if not parallel.zero or recipe.method.lora is not None:
        return None
    loading = 4 * parallel.devices
    if parallel.zero == 3 and not parallel.offload_optimizer:
        largest = max(shape.embedding_parameters, *(inputs * outputs for inputs, outputs in shape.linear))
        return int(largest * loading * DEEPSPEED_SLACK)
    if parallel.zero == 3:
        each = 18 if parallel.offload_parameters else 16
    else:
        each = max(loading, 16) if parallel.offload_optimizer else loading
    return int(shape.parameters * each * DEEPSPEED_SLACK)


def checkpoint_bytes(shape: Shape, recipe: TrainRecipe) -> int:
    """About the bytes of one checkpoint: weights and optimizer; with LoRA, the adapters'.

    DeepSpeed stores float32 weights and Adam's numbers, 12 bytes a parameter, beside the model's own weights, which it
    has a copy of below stage 3.
    """
    learnt = _learnt(shape, recipe)
    if not recipe.parallelism.zero:
        return (4 + 8) * learnt
    copies = 1 if recipe.parallelism.zero == 3 else 2
    return (12 + copies * (2 if recipe.precision.dtype == "bfloat16" else 4)) * learnt
