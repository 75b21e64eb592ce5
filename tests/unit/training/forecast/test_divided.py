"""Memory if a model, its gradients or its sequences are sharded, and with 4-bit weights."""

from __future__ import annotations

from typing import Any

import pytest

from promptcot.training.forecast.devices import GIB
from promptcot.training.forecast.estimate import advice
from promptcot.training.forecast.memory import Memory, memory
from tests.unit.training.forecast.test_estimate import recipe, shape


def need(**changes: Any) -> Memory:
    return memory(shape(), recipe(parallelism__devices=4, **changes))


def test_fsdp_divides_float32_weights_gradients_and_adam() -> None:
    divided, whole = need(parallelism__fsdp=True), need()
    count = shape().parameters
    assert (divided.weights, divided.gradients, divided.optimizer) == (count, count, 2 * count)  # 4 + 4 + 8 over 4
    assert whole.states == 4 * divided.states
    assert divided.saving == 4 * count


def test_devices_that_share_a_sequence_share_its_activations() -> None:
    alone, shared = need(parallelism__zero=2), need(parallelism__zero=2, parallelism__context=4)
    assert shared.kept == pytest.approx(alone.kept / 4)
    assert shared.states == alone.states


def test_gradients_that_add_up_in_float32_are_twice_as_large() -> None:
    half, whole = (need(parallelism__zero=2, parallelism__grad_accum_dtype=name) for name in ("bfloat16", "float32"))
    assert whole.gradients == 2 * half.gradients


def test_weights_of_four_bits_are_a_quarter_of_bfloat16_in_the_layers() -> None:
    plain, rounded = (need(method__lora=dict(rank=2, **more)) for more in ({}, {"bits": 4}))
    layers = shape().layers * shape().layer_parameters
    assert plain.weights - rounded.weights == 2 * layers - round(4.127 * layers / 8)


def test_sharing_sequences_is_advised_where_activations_do_not_fit() -> None:
    told = recipe(parallelism__devices=2, parallelism__zero=3, schedule__max_length=1 << 20)
    changes = [str(change) for change in advice(shape(heads=4, kv_heads=2), told, 2 * GIB)]
    assert any("--set parallelism.context=2" in change for change in changes)
    assert not any("zero" in str(change) for change in advice(shape(), recipe(parallelism__fsdp=True), GIB))
