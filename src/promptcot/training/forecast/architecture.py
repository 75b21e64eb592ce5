"""The shape of a decoder, and what follows from it: the number of weights, and the operations per token.

Pure arithmetic on a recipe's `model.architecture` or on a model's `config.json`; nothing is loaded. Mixtures of experts
and other architectures are refused rather than guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from promptcot.errors import InputError
from promptcot.training.recipe import Architecture

KNOWN = ("llama", "mistral", "qwen2", "qwen3")
"""The values of `model_type` with this architecture: RMSNorm, rotary attention with grouped keys, a gated MLP."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A decoder of the Llama kind. Widths are in elements."""

    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    tied: bool = False
    qkv_bias: bool = False
    output_bias: bool = False
    mlp_bias: bool = False
    head_norms: bool = False
    """Whether queries and keys of each head are normalised, as in Qwen3."""

    @classmethod
    def of_architecture(cls, architecture: Architecture) -> Self:
        """The shape in a recipe; its `attention_bias` means queries, keys and values, as in Qwen2."""
        same = architecture.model_dump(exclude={"head_dim", "tied_embeddings", "attention_bias"})
        head_dim = architecture.head_dim or architecture.hidden // architecture.heads
        return cls(**same, head_dim=head_dim, tied=architecture.tied_embeddings, qkv_bias=architecture.attention_bias)

    @classmethod
    def of_config(cls, config: Mapping[str, Any]) -> Self:
        """The shape in a `config.json`. Raises InputError for an unknown type of model."""
        kind = config.get("model_type")
        if kind not in KNOWN:
            raise InputError(
                f"the size of a model of type {kind!r} cannot be computed; known are {', '.join(KNOWN)}. Give its "
                "shape in model.architecture if its layers are like theirs"
            )
        try:
            return cls._of_known(config, kind)
        except KeyError as error:
            raise InputError(f"config.json of a {kind} model lacks {error}; give model.architecture") from error

    @classmethod
    def _of_known(cls, config: Mapping[str, Any], kind: str) -> Self:
        heads, bias = config["num_attention_heads"], bool(config.get("attention_bias", False))
        return cls(
            layers=config["num_hidden_layers"],
            hidden=config["hidden_size"],
            intermediate=config["intermediate_size"],
            heads=heads,
            kv_heads=config.get("num_key_value_heads") or heads,
            head_dim=config.get("head_dim") or config["hidden_size"] // heads,
            vocabulary=config["vocab_size"],
            tied=bool(config.get("tie_word_embeddings", False)),
            qkv_bias=kind == "qwen2" or bias,
            output_bias=kind in ("llama", "qwen3") and bias,
            mlp_bias=kind == "llama" and bool(config.get("mlp_bias", False)),
            head_norms=kind == "qwen3",
        )

    @property
    def queries(self) -> int:
        """The width of all heads' queries together."""
        return self.heads * self.head_dim

    @property
    def keys(self) -> int:
        """The width of all heads' keys together, which is that of the values."""
        return self.kv_heads * self.head_dim

    @property
    def linear(self) -> tuple[tuple[int, int], ...]:
        """Inputs and outputs of the seven matrices of a layer: queries, keys, values, output, gate, up, down."""
        hidden, inner = self.hidden, self.intermediate
        attention = ((hidden, self.queries), (hidden, self.keys), (hidden, self.keys), (self.queries, hidden))
        return (*attention, (hidden, inner), (hidden, inner), (inner, hidden))

    @property
    def layer_parameters(self) -> int:
        """The weights of one layer, norms and biases included."""
        biases = (self.queries + 2 * self.keys) * self.qkv_bias + self.hidden * self.output_bias
        biases += (2 * self.intermediate + self.hidden) * self.mlp_bias
        norms = 2 * self.hidden + 2 * self.head_dim * self.head_norms
        return self._layer_matrices + biases + norms

    @property
    def _layer_matrices(self) -> int:
        return sum(inputs * outputs for inputs, outputs in self.linear)

    @property
    def embedding_parameters(self) -> int:
        """The weights of the embedding; those of the head are as many."""
        return self.vocabulary * self.hidden

    @property
    def parameters(self) -> int:
        """All weights: embedding, layers, last norm, and the head unless it is tied to the embedding."""
        ends = self.embedding_parameters * (1 if self.tied else 2)
        return ends + self.layers * self.layer_parameters + self.hidden

    @property
    def multiplied(self) -> int:
        """The weights that a token is multiplied with: all matrices and the head; an embedding lookup is free."""
        return self.layers * self._layer_matrices + self.embedding_parameters

    def adapter_parameters(self, rank: int) -> int:
        """The weights of LoRA on all matrices of all layers: `rank × (inputs + outputs)` each (arXiv 2106.09685)."""
        return self.layers * sum(rank * (inputs + outputs) for inputs, outputs in self.linear)

    def flops_per_token(self, mean_context: float, checkpointing: bool = False, *, rank: int | None = None) -> float:
        """Operations for a training token, forward and backward.

        `mean_context` is the row length averaged over tokens: see `mean_context()`. 6 for each multiplied weight
        (Kaplan et al., arXiv 2001.08361, 2.1), and `12 × layers × heads × head_dim × context` for attention (PaLM,
        arXiv 2204.02311, appendix B), halved by the causal mask. With LoRA of `rank`, the frozen weights need no
        gradient of their own: 4 instead of 6. `checkpointing` adds the recomputed forward pass, a third: work of the
        device that does not count for the model FLOPs utilization.
        """
        attention = 12 * self.layers * self.queries * mean_context / 2
        weights = 6 * self.multiplied if rank is None else 4 * self.multiplied + 6 * self.adapter_parameters(rank)
        return (weights + attention) * (4 / 3 if checkpointing else 1)


def mean_context(lengths: Sequence[float]) -> float:
    """The row length, averaged over the tokens of rows of these lengths."""
    tokens = sum(lengths)
    return sum(length * length for length in lengths) / tokens if tokens else 0.0
