"""Sizes, operations and memory, against models built by transformers and against published numbers."""

from __future__ import annotations

import contextlib
import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from promptcot import nano
from promptcot.errors import InputError
from promptcot.training.forecast.architecture import Shape, mean_context
from promptcot.training.forecast.devices import GIB
from promptcot.training.forecast.estimate import PACKED, Lengths, advice, lengths_of, mean_length_for, mfu_for, work
from promptcot.training.forecast.memory import (
    LOSS_TOKENS,
    LOSS_WORDS,
    checkpoint_bytes,
    deepspeed_host,
    memory,
    saved_by_layer,
)
from promptcot.training.recipe import TrainRecipe, load_train

SMALL = {"hidden_size": 96, "intermediate_size": 200, "num_hidden_layers": 2, "vocab_size": 300}
SMALL |= {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64}

CONFIGS: dict[str, dict[str, Any]] = {
    "llama, tied": {"model_type": "llama", **SMALL, "tie_word_embeddings": True},
    "llama, biases": {"model_type": "llama", **SMALL, "attention_bias": True, "mlp_bias": True},
    "llama, wide heads": {"model_type": "llama", **SMALL, "head_dim": 40},
    "mistral": {"model_type": "mistral", **SMALL, "head_dim": 24},
    "qwen2": {"model_type": "qwen2", **SMALL},
    "qwen3": {"model_type": "qwen3", **SMALL, "head_dim": 32, "tie_word_embeddings": True},
}


def on_meta(config: dict[str, Any]) -> int:
    """How many weights the model of this configuration has in transformers."""
    settings = {key: value for key, value in config.items() if key not in ("model_type", "transformers_version")}
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(config["model_type"], **settings))
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_a_configuration_has_the_weights_that_transformers_gives_it(config: dict[str, Any]) -> None:
    assert Shape.of_config(config).parameters == on_meta(config)


@pytest.mark.parametrize("role", nano.ROLES)
def test_the_embedded_models_have_the_weights_that_are_computed(role: str) -> None:
    try:
        config = json.loads((nano.path(role) / "config.json").read_text(encoding="utf-8"))
    except InputError:
        pytest.skip("not trained yet")
    assert Shape.of_config(config).parameters == on_meta(config)


@pytest.mark.parametrize(
    ("recipe", "kind", "parameters"),
    [
        ("generator-llama3.1-8b", "llama", 8_030_261_248),
        ("promptcot-ds-1.5b", "qwen2", 1_777_088_000),
        ("promptcot-ds-7b", "qwen2", 7_615_616_512),
        ("promptcot-qwq-32b", "qwen2", 32_763_876_352),
    ],
)
def test_the_shapes_of_the_recipes_are_the_published_models(recipe: str, kind: str, parameters: int) -> None:
    told = load_train(recipe).model.architecture
    assert told is not None
    config = {
        "model_type": kind,
        "hidden_size": told.hidden,
        "intermediate_size": told.intermediate,
        "num_hidden_layers": told.layers,
        "num_attention_heads": told.heads,
        "num_key_value_heads": told.kv_heads,
        "vocab_size": told.vocabulary,
        "tie_word_embeddings": told.tied_embeddings,
    }
    assert Shape.of_architecture(told).parameters == on_meta(config) == parameters


def test_a_model_of_another_build_is_refused_and_not_guessed() -> None:
    with pytest.raises(InputError, match=r"'mixtral'.*known are llama"):
        Shape.of_config({"model_type": "mixtral", **SMALL})
    with pytest.raises(InputError, match=r"lacks 'vocab_size'.*model\.architecture"):
        Shape.of_config({"model_type": "llama", **{key: SMALL[key] for key in SMALL if key != "vocab_size"}})


def shape(**changes: int | bool) -> Shape:
    """A decoder whose numbers are easy to multiply."""
    given: dict[str, Any] = {"layers": 2, "hidden": 8, "intermediate": 16, "heads": 2, "kv_heads": 1, "head_dim": 4}
    return Shape(**{**given, "vocabulary": 10, **changes})


def recipe(**changes: Any) -> TrainRecipe:
    """A recipe of one device, changed by dotted keys with __ for the dot."""
    table: dict[str, Any] = {"model": {"path": "none"}, "data": {"path": "none.jsonl"}}
    for key, value in changes.items():
        section, _, name = key.partition("__")
        table.setdefault(section, {})[name] = value
    return TrainRecipe.model_validate(table)


def test_operations_of_a_token_are_those_that_are_counted_by_hand() -> None:
    # a layer: q 8·8, k and v 8·4, o 8·8, three matrices of the MLP 8·16; and the head 8·10
    multiplied = 2 * (64 + 32 + 32 + 64 + 3 * 128) + 80
    assert shape().multiplied == multiplied
    assert shape().flops_per_token(0) == 6 * multiplied
    # scores, and their product with values: 2 operations for 8 elements and 50 positions on average, thrice, 2 layers
    assert shape().flops_per_token(100) - shape().flops_per_token(0) == 2 * 3 * 2 * 2 * 8 * 50
    assert shape().flops_per_token(100, checkpointing=True) == pytest.approx(4 / 3 * shape().flops_per_token(100))


def test_frozen_weights_need_no_gradient_of_their_own() -> None:
    adapters = 2 * 3 * ((8 + 8) + 2 * (8 + 4) + (8 + 8) + 3 * (8 + 16))
    assert shape().adapter_parameters(3) == adapters
    assert shape().flops_per_token(0, rank=3) == 4 * shape().multiplied + 6 * adapters


def test_tied_embeddings_are_counted_once_but_multiplied_all_the_same() -> None:
    assert shape().parameters - shape(tied=True).parameters == 80
    assert shape().multiplied == shape(tied=True).multiplied


def test_the_context_of_a_token_is_that_of_long_rows_where_lengths_differ() -> None:
    assert mean_context([100, 100]) == 100
    assert mean_context([10, 90]) == pytest.approx((100 + 8100) / 100)
    assert mean_context([]) == 0


@pytest.mark.parametrize(("stage", "gigabytes"), [(0, 120), (1, 31.4), (2, 16.6), (3, 1.9)])
def test_states_are_those_that_the_zero_paper_prints_for_7_5_billion_on_64_devices(
    stage: int, gigabytes: float
) -> None:
    model = shape(layers=32, hidden=4096, intermediate=14336, heads=32, kv_heads=32, head_dim=128, vocabulary=50_000)
    need = memory(model, recipe(parallelism__devices=64, parallelism__zero=stage))
    assert need.states / model.parameters * 7.5 == pytest.approx(gigabytes, abs=0.06)


def test_what_is_offloaded_is_on_the_host() -> None:
    model, zero = shape(), {"parallelism__devices": 8, "parallelism__zero": 2}
    need = memory(model, recipe(**zero, parallelism__offload_optimizer=True))
    assert (need.weights, need.gradients, need.optimizer) == (2 * model.parameters, 0, 0)
    assert need.host == 16 * model.parameters  # estimate_zero2_model_states_mem_needs of DeepSpeed, without its factor
    both = {"parallelism__zero": 3, "parallelism__offload_optimizer": True, "parallelism__offload_parameters": True}
    need = memory(model, recipe(**{**zero, **both}))
    assert need.states == 0
    assert need.host == 18 * model.parameters  # estimate_zero3_model_states_mem_needs


def test_stage_1_keeps_whole_gradients_on_the_device_even_with_the_optimizer_on_the_host() -> None:
    need = memory(shape(), recipe(parallelism__devices=2, parallelism__zero=1, parallelism__offload_optimizer=True))
    assert need.gradients == 2 * shape().parameters


def test_with_lora_only_adapters_have_gradients_and_states() -> None:
    whole, adapted = memory(shape(), recipe()), memory(shape(), recipe(method__lora={"rank": 1}))
    adapters = shape().adapter_parameters(1)
    assert adapted.weights == 2 * shape().parameters + 4 * adapters  # what is frozen needs no float32
    assert (adapted.gradients, adapted.optimizer) == (4 * adapters, 8 * adapters)
    assert adapted.total < whole.total


def saved_bytes_per_token(dtype: torch.dtype, autocast: bool) -> tuple[Shape, float]:
    """What torch really saves in a layer of transformers for its backward pass, weights and the layer's input aside."""
    tokens = 192
    config = LlamaConfig(
        vocab_size=64,
        hidden_size=128,
        intermediate_size=352,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
    )
    config._attn_implementation = "sdpa"
    model = LlamaForCausalLM(config).to(dtype)
    hidden = torch.zeros(1, tokens, 128, dtype=dtype, requires_grad=True)
    angles = model.model.rotary_emb(hidden, torch.arange(tokens)[None])
    known = [*model.parameters(), *angles, hidden]
    aside = {tensor.untyped_storage().data_ptr() for tensor in known}
    saved: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in aside and tokens in tensor.shape:
            saved[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    casting = torch.autocast("cpu", dtype=torch.bfloat16) if autocast else contextlib.nullcontext()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), casting:
        model.model.layers[0](hidden, position_embeddings=angles, attention_mask=None)
    size = sum(tensor.untyped_storage().nbytes() for tensor in saved.values())
    return Shape.of_config(config.to_dict()), size / tokens


@pytest.mark.parametrize(
    ("dtype", "autocast", "computed", "stream"),
    [(torch.bfloat16, False, 2, 2), (torch.float32, True, 2, 4), (torch.float32, False, 4, 4)],
    ids=["bfloat16", "autocast", "float32"],
)
def test_a_layer_saves_as_many_bytes_as_torch_does(
    dtype: torch.dtype, autocast: bool, computed: int, stream: int
) -> None:
    model, measured = saved_bytes_per_token(dtype, autocast)
    assert saved_by_layer(model, computed=computed, stream=stream) == measured


def test_checkpointing_keeps_the_inputs_of_layers_instead_of_all_activations() -> None:
    deep = shape(layers=24)
    kept = memory(deep, recipe(precision__gradient_checkpointing=False, schedule__max_length=4096))
    again = memory(deep, recipe(precision__gradient_checkpointing=True, schedule__max_length=4096))
    assert again.kept == 24 * 4096 * 8 * 4
    assert kept.kept > 4 * again.kept
    assert again.total < kept.total


def test_logits_are_counted_as_one_tile_however_long_the_sequence() -> None:
    wide = shape(vocabulary=150_000)
    need = {
        length: memory(wide, recipe(schedule__max_length=length, parallelism__zero=2)).logits
        for length in (8192, 32768)
    }
    assert need[8192] > 2 * LOSS_TOKENS * LOSS_WORDS
    assert need[32768] - need[8192] == (32768 - 8192) * 8 * (2 + 2 + 4)  # hidden states and their gradient, no logits


def test_the_loss_tile_is_that_of_the_installed_trl() -> None:
    found = importlib.util.find_spec("trl")  # its source is read: to import it takes many seconds
    if found is None or found.origin is None:
        pytest.skip("trl is not installed")
    package = Path(found.origin).parent
    kernel = (package / "kernels" / "chunked_logprob.py").read_text(encoding="utf-8")
    utils = (package / "trainer" / "utils.py").read_text(encoding="utf-8")
    assert f"\nTOKEN_CHUNK_SIZE = {LOSS_TOKENS}\n" in kernel
    assert f"\n_CHUNKED_LOGPROB_CHUNK_SIZE = {LOSS_WORDS}\n" in utils


def test_the_total_counts_the_fullest_moment_and_not_their_sum() -> None:
    need = memory(shape(), recipe(parallelism__zero=2, parallelism__devices=2))
    assert need.total == need.states + max(need.kept + max(need.layer, need.logits), need.step) + need.other


def test_a_checkpoint_holds_weights_and_optimizer() -> None:
    assert checkpoint_bytes(shape(), recipe()) == 12 * shape().parameters
    assert checkpoint_bytes(shape(), recipe(parallelism__zero=3)) == 14 * shape().parameters


def test_steps_and_tokens_of_packed_rows() -> None:
    told = recipe(schedule__max_length=1000, schedule__accumulation=4, parallelism__devices=2, schedule__epochs=2)
    done = work(shape(), told, rows=10_000, lengths=Lengths(98, 98))
    assert done.sequences == 1000  # 980,000 tokens in sequences that are 98 % full
    assert PACKED == 0.98
    assert (done.steps_per_epoch, done.steps) == (125, 250)
    assert done.tokens == 1_960_000
    assert done.flops == pytest.approx(1_960_000 * shape().flops_per_token(98))
    assert done.hardware_flops == pytest.approx(done.flops * 4 / 3)


def test_max_steps_bounds_steps_and_tokens() -> None:
    told = {"schedule__max_length": 1000, "schedule__accumulation": 8, "schedule__epochs": 2}
    whole = work(shape(), recipe(**told), 10_000, Lengths(98, 98))
    part = work(shape(), recipe(**told, schedule__max_steps=25), 10_000, Lengths(98, 98))
    assert (whole.steps, part.steps) == (250, 25)
    assert part.tokens == pytest.approx(whole.tokens / 10)
    more = work(shape(), recipe(**told, schedule__max_steps=500), 10_000, Lengths(98, 98))
    assert (more.steps, more.tokens) == (500, pytest.approx(2 * whole.tokens))


def test_steps_counted_in_rows_end_with_the_epoch() -> None:
    told = {"schedule__step_by": "rows", "schedule__accumulation": 64, "schedule__max_length": 1000}
    assert [work(shape(), recipe(**told, schedule__epochs=n), 1000, Lengths(98, 98)).steps for n in (1, 2, 2.5)] == [
        16,
        32,
        40,
    ]
    done = work(shape(), recipe(**told, schedule__epochs=2), 1000, Lengths(98, 98))
    assert (done.sequences, done.steps_per_epoch, done.tokens) == (1000, 16, 196_000)


def test_padding_takes_time_and_is_no_token() -> None:
    told = recipe(method__packing=False, schedule__micro_batch=2, schedule__accumulation=1)
    lengths = lengths_of([100, 300] * 50, told)
    assert work(shape(), told, 100, lengths).tokens == 100 * 200 * told.schedule.epochs
    assert 1 < lengths.padded <= 1.5
    assert lengths_of([100, 300] * 50, recipe(method__packing=False)).padded == 1  # alone, nothing is padded


@pytest.mark.parametrize(("zero", "longest"), [(0, 1.4), (2, 2.0)])
def test_devices_wait_for_the_longest_row_of_each_micro_batch_or_step(zero: int, longest: float) -> None:
    told = {"parallelism__devices": 8, "parallelism__zero": zero, "schedule__accumulation": 8}
    lengths = np.random.default_rng(1).lognormal(8, 0.6, 2000).astype(int).clip(1, 16384).tolist()
    for step_by in ("rows", "sequences"):
        found = lengths_of(lengths, recipe(**told, schedule__step_by=step_by))
        assert found.padded == pytest.approx(longest, abs=0.2)
        assert 1 <= found.packed < 1.1


def test_rows_of_one_length_keep_no_device_waiting() -> None:
    told = recipe(parallelism__devices=4, parallelism__zero=2, schedule__step_by="rows", schedule__accumulation=4)
    assert lengths_of([500] * 100, told).padded == lengths_of([500] * 100, told).packed == 1


@pytest.mark.engines
@pytest.mark.parametrize(
    "keys",
    [
        {"parallelism__zero": 2, "parallelism__offload_optimizer": True},
        {"parallelism__zero": 1},
        {"parallelism__zero": 3},
        {"parallelism__zero": 3, "parallelism__offload_optimizer": True},
        {"parallelism__zero": 3, "parallelism__offload_optimizer": True, "parallelism__offload_parameters": True},
    ],
)
def test_host_memory_by_deepspeed_is_what_its_own_functions_say(keys: dict[str, Any]) -> None:
    stage12 = pytest.importorskip("deepspeed.runtime.zero.stage_1_and_2")
    stage3 = pytest.importorskip("deepspeed.runtime.zero.stage3")
    told, size = recipe(parallelism__devices=8, **keys), shape().parameters
    moved, all_moved = told.parallelism.offload_optimizer, told.parallelism.offload_parameters
    if told.parallelism.zero < 3:
        theirs, *_ = stage12.estimate_zero2_model_states_mem_needs(size, 8, 1, cpu_offload=moved)
    else:
        largest = max(shape().embedding_parameters, shape().hidden * shape().intermediate)
        theirs, *_ = stage3.estimate_zero3_model_states_mem_needs(
            size, largest, 8, 1, cpu_offload=moved, cpu_offload_params=all_moved, zero_init=True
        )
    assert deepspeed_host(shape(), told) == theirs


def test_without_deepspeed_and_for_adapters_it_estimates_nothing() -> None:
    assert deepspeed_host(shape(), recipe()) is None
    assert deepspeed_host(shape(), recipe(parallelism__zero=2, method__lora={"rank": 4})) is None


def test_rows_beyond_the_window_are_cut_or_dropped() -> None:
    sample = [50, 50, 150, 150]
    cut = lengths_of(sample, recipe(schedule__max_length=100, method__overlong="cut"))
    assert (cut.mean, cut.cut, cut.kept) == (75, 0.5, 1)
    dropped = lengths_of(sample, recipe(schedule__max_length=100))
    assert (dropped.mean, dropped.cut, dropped.kept) == (50, 0, 0.5)
    assert work(shape(), recipe(), 1000, dropped).rows == 500


def test_hours_follow_from_peak_and_utilisation() -> None:
    done = work(shape(), recipe(), 10_000, Lengths(98, 98))
    hours = done.gpu_hours(peak=1e12, mfu=0.5)
    assert hours == pytest.approx(done.flops / 0.5e12 / 3600)
    assert mfu_for(done, 2 * hours, 1e12) == pytest.approx(0.25)


def test_the_length_that_explains_a_number_of_operations_gives_that_number() -> None:
    told, lengths = recipe(schedule__max_length=1000), Lengths(100, 130)
    done = work(shape(), told, 10_000, lengths)
    longer = mean_length_for(shape(), told, done, lengths, 3 * done.flops)
    assert work(shape(), told, 10_000, Lengths(longer, longer * 1.3)).flops == pytest.approx(3 * done.flops)


def ds7b(**changes: Any) -> tuple[Shape, TrainRecipe]:
    loaded = load_train("promptcot-ds-7b", overrides={key.replace("__", "."): value for key, value in changes.items()})
    assert loaded.model.architecture is not None
    return Shape.of_architecture(loaded.model.architecture), loaded


def test_advice_names_keys_that_make_it_fit_the_cheapest_first() -> None:
    model, told = ds7b(parallelism__zero=0, parallelism__offload_optimizer=False)
    assert memory(model, told).total > 80 * GIB
    changes = advice(model, told, 80 * GIB)
    assert str(changes[0]) == "--set parallelism.zero=1"
    assert all(change.fits and change.need.total <= 80 * GIB for change in changes)


def test_advice_joins_changes_where_none_is_enough_alone() -> None:
    model, told = ds7b(
        parallelism__zero=0, parallelism__offload_optimizer=False, schedule__micro_batch=8, parallelism__devices=2
    )
    first, *rest = advice(model, told, 80 * GIB)
    assert first.fits
    assert len(first.keys) > 1
    assert not any(change.fits for change in rest)


def test_advice_says_so_where_nothing_helps() -> None:
    model, told = ds7b(parallelism__devices=1)
    assert not any(change.fits for change in advice(model, told, 4 * GIB))
