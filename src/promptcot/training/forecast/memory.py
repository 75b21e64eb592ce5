"""Estimates the device memory of a training run, and the host memory where ZeRO offloads to it. Pure arithmetic.

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
"""Assumed for memory outside of tensors: the device's context, the libraries' workspaces, fragmentation."""

LOSS_TOKENS, LOSS_WORDS = 4096, 32768
"""The tile of logits that exists at a time in TRL 1.16: `TOKEN_CHUNK_SIZE` of `trl.kernels.chunked_logprob` and
`_CHUNKED_LOGPROB_CHUNK_SIZE` of `trl.trainer.utils`."""

DEEPSPEED_SLACK = 1.5
"""The factor for host memory in DeepSpeed's estimates: `additional_buffer_factor`."""

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
    """Memory of one layer in its backward pass: its activations, recomputed or not, and their gradients."""
    logits: int
    """Memory of the loss: a tile of logits, and the gradients of the head and of its input."""
    step: int
    """Memory of the optimizer's step, after the activations are freed: under ZeRO, gradients in float32."""
    other: int
    """Buckets of communication, gathered parameters, and CONTEXT."""
    host: int
    drawing: int
    """Keys and values during the generation of completions, before there are activations."""
    saving: int
    """On the host while a checkpoint is written: the first process's copy of all weights, under ZeRO."""

    @property
    def on_host(self) -> int:
        """The peak on the host."""
        return self.host + self.saving

    @property
    def states(self) -> int:
        """Weights, gradients and optimizer."""
        return self.weights + self.gradients + self.optimizer

    @property
    def total(self) -> int:
        """The peak: the loss, a layer's backward pass and the optimizer's step come one after another."""
        return self.states + max(self.kept + max(self.layer, self.logits), self.step, self.drawing) + self.other


@dataclass(frozen=True, slots=True)
class _Layout:
    """The bytes of an element of each kind. `stream` is the residual stream between layers."""

    master: int
    """The bytes of a weight in the model."""
    gradient: int
    computed: int
    """The bytes of an input of a matrix product."""
    stream: int

    @property
    def casts(self) -> bool:
        """Whether each product casts its inputs: torch's autocast, with weights in float32."""
        return self.stream != self.computed


def _layout(recipe: TrainRecipe) -> _Layout:
    """Trainable weights without DeepSpeed are float32, and autocast computes in bfloat16; otherwise they are bfloat16.

    FSDP casts the weights that it gathers, so all computation is in bfloat16.
    """
    parallel = recipe.parallelism
    if recipe.precision.dtype == "float32":
        return _Layout(4, 4, 4, 4)
    if parallel.fsdp:
        return _Layout(2 if recipe.method.lora else 4, 4, 2, 2)
    gradient = 4 if parallel.grad_accum_dtype == "float32" else 2
    return _Layout(2, gradient, 2, 2) if parallel.zero or recipe.method.lora else _Layout(4, 4, 2, 4)


def saved_by_layer(shape: Shape, *, computed: int, stream: int) -> int:
    """Bytes a token that one layer saves for its backward pass, its own input not counted if that is saved unchanged.

    Let h, q, k and i be the widths of the hidden state, the queries, the keys and the MLP's intermediate state. Each of
    the two norms saves its input in float32, its normalised input, and the input of the matrix products that follow
    (under autocast, one copy for each product). Attention saves 2 q + 2 k elements, and a float32 number for each head.
    The MLP saves 4 i elements.
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
    """The memory of each device for this recipe, with `schedule.max_length` tokens in each sequence."""
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
    """Whether all weights are gathered on the host for writing: by DeepSpeed, if they are sharded or were rounded."""
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
    """Weights, gradients and optimizer on a device, and the part on the host (ZeRO, arXiv 1910.02054, 5).

    Without sharding each device holds everything: 4 bytes per trainable weight, 4 per gradient, 8 for Adam. ZeRO keeps
    a float32 copy of the weights with Adam's two values, 12, and shards these from stage 1 on, gradients from 2 on,
    weights at 3.
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
    """Activations kept until the backward pass, and the additional memory of the current layer."""
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
    """The peak of the loss: at its start all weights cast by autocast, or in its backward pass.

    The logits are never complete: `ChunkedLogProbFunction` of TRL holds one tile, and accumulates the gradients of the
    head and of its input in float32.
    """
    tile = min(tokens, LOSS_TOKENS) * min(shape.vocabulary, LOSS_WORDS) * layout.computed
    words = min(shape.vocabulary, LOSS_WORDS) * shape.hidden * layout.computed if layout.casts else 0
    hidden = tokens * shape.hidden * (layout.stream + layout.computed)
    checkpointing = recipe.precision.gradient_checkpointing
    cast = shape.layers * shape.layer_parameters * layout.computed if layout.casts and checkpointing else 0
    gradients = 4 * tokens * shape.hidden + (0 if recipe.method.lora else 4 * shape.embedding_parameters)
    return tile + words + hidden + max(cast, gradients)


def _step(recipe: TrainRecipe, learnt: int) -> int:
    """DeepSpeed's optimizer gets its share of the gradients in float32; the plain one is fused and needs no more
    memory.
    """
    parallel = recipe.parallelism
    halves = parallel.zero > 0 and recipe.precision.dtype == "bfloat16"
    return 4 * learnt // parallel.devices if halves and not parallel.offload_optimizer else 0


def _communication(shape: Shape, recipe: TrainRecipe, layout: _Layout, learnt: int) -> int:
    """Buckets: a copy of all gradients (DistributedDataParallel without `gradient_as_bucket_view`), or DeepSpeed's.

    FSDP has two layers gathered, the current one and the next, head and embedding, and gradients of one layer.
    DeepSpeed fills one bucket while the other is sent (`overlap_comm`); at stage 3 it has one, and gathers parameters.
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
    """Bytes of host memory on one machine, according to DeepSpeed's own estimates, including their slack.

    The arithmetic of `estimate_zero2_model_states_mem_needs` and `estimate_zero3_model_states_mem_needs`, which include
    the float32 weights that each process loads before sharding. None without DeepSpeed, and for adapters, which they do
    not cover.
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
    """The approximate bytes of one checkpoint: weights and optimizer; with LoRA, the adapters'.

    DeepSpeed stores float32 weights and Adam's values, 12 bytes per parameter, beside the model's own weights, of which
    it has a copy below stage 3.
    """
    learnt = _learnt(shape, recipe)
    if not recipe.parallelism.zero:
        return (4 + 8) * learnt
    copies = 1 if recipe.parallelism.zero == 3 else 2
    return (12 + copies * (2 if recipe.precision.dtype == "bfloat16" else 4)) * learnt
