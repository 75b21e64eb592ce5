"""Model sharding: the libraries' settings for a recipe, and errors that name the key."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch
from accelerate.utils import FullyShardedDataParallelPlugin
from pydantic import ValidationError

from promptcot.errors import InputError, StorageError
from promptcot.training.context import ContextCollator, check_heads
from promptcot.training.data.collating import IGNORED
from promptcot.training.parallel import deepspeed_config, fsdp_config, sequence_parallelism
from promptcot.training.recipe import TrainRecipe
from promptcot.training.refusals import writing

pytestmark = pytest.mark.engines


def recipe(**sections: dict[str, Any]) -> TrainRecipe:
    return TrainRecipe.model_validate({"model": {"path": "m"}, "data": {"path": "d.jsonl"}, **sections})


REFUSED = {
    "set fsdp = true or zero, not both": {"parallelism": {"fsdp": True, "zero": 2}},
    "are DeepSpeed's: set zero instead of fsdp": {"parallelism": {"fsdp": True, "offload_optimizer": True}},
    "grad_accum_dtype is DeepSpeed's": {"parallelism": {"grad_accum_dtype": "float32"}},
    "grad_accum_dtype = 'bfloat16' is for": {
        "parallelism": {"zero": 2, "grad_accum_dtype": "bfloat16"},
        "precision": {"dtype": "float32"},
    },
    "context splits sequences with DeepSpeed": {"parallelism": {"devices": 2, "context": 2}},
    "devices = 3 is not a multiple of context = 2": {"parallelism": {"devices": 3, "context": 2, "zero": 2}},
    "one packed sequence at a time": {
        "parallelism": {"devices": 2, "context": 2, "zero": 2},
        "method": {"packing": False},
    },
    "so it needs method.kind = 'sft'": {
        "parallelism": {"devices": 2, "context": 2, "zero": 2},
        "method": {"kind": "dpo"},
    },
    "4-bit weights cannot be sharded": {"parallelism": {"zero": 3}, "method": {"lora": {"bits": 4}}},
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_no_library_does_is_refused_by_its_key(message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        recipe(**REFUSED[message])
    assert message in str(refused.value)


def test_weights_are_decayed_by_the_trainers_own_optimizer_under_every_stage() -> None:
    for zero in (1, 2, 3):
        config = deepspeed_config(recipe(parallelism={"zero": zero}))
        assert config is not None
        assert "optimizer" not in config


def test_gradients_add_up_in_the_type_that_the_recipe_says() -> None:
    told = deepspeed_config(recipe(parallelism={"zero": 2, "grad_accum_dtype": "float32"}))
    assert told is not None
    assert told["data_types"] == {"grad_accum_dtype": "fp32"}


def test_accelerate_takes_the_settings_of_fsdp(monkeypatch: pytest.MonkeyPatch) -> None:
    told = recipe(parallelism={"fsdp": True, "devices": 2})
    assert fsdp_config(told) is None  # a process that is alone
    monkeypatch.setenv("WORLD_SIZE", "2")
    config = fsdp_config(told)
    assert config is not None
    plugin = FullyShardedDataParallelPlugin(fsdp_version=config.pop("version"), **config)
    assert plugin.fsdp_version == 2
    assert plugin.activation_checkpointing


def test_processes_that_are_no_whole_groups_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    told = recipe(parallelism={"devices": 4, "context": 2, "zero": 2})
    monkeypatch.setenv("WORLD_SIZE", "4")
    found = sequence_parallelism(told, "flash_attention_2")
    assert (found.sp_size, found.dp_replicate_size) == (2, 2)
    assert told.sequences_per_step == 2 * told.schedule.accumulation
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(InputError, match="3 processes is not a multiple of 2"):
        sequence_parallelism(told, "flash_attention_2")


def packed(examples: Any) -> dict[str, Any]:
    """Two sequences, of 3 and 4 tokens, of which the first token is not learnt."""
    bounds = torch.tensor([0, 3, 7], dtype=torch.int32)
    return {
        "input_ids": torch.tensor([[1, 2, 3, 4, 5, 6, 7]]),
        "labels": torch.tensor([[IGNORED, 2, 3, IGNORED, 5, 6, 7]]),
        "position_ids": torch.tensor([[0, 1, 2, 0, 1, 2, 3]]),
        **{"cu_seq_lens_q": bounds, "cu_seq_lens_k": bounds, "max_length_q": 4, "max_length_k": 4, "rows": [[8, 9]]},
    }


def test_the_parts_of_a_sequence_have_all_targets_once() -> None:
    parts = [ContextCollator(packed, place, 2, pad_id=0)([]) for place in (0, 1)]
    ids, targets, positions = (
        torch.cat([part[name] for part in parts], 1)[0].tolist()
        for name in ("input_ids", "shift_labels", "position_ids")
    )
    assert ids == [1, 2, 3, 4, 5, 6, 7, 0]
    assert targets == [2, 3, IGNORED, 5, 6, 7, IGNORED, IGNORED]  # 5 lies on the other side of the cut than its context
    assert positions == [0, 1, 2, 0, 1, 2, 3, 0]
    assert all(part["cu_seq_lens_q"].tolist() == [0, 3, 7, 8] for part in parts)
    assert [part["leads"] for part in parts] == [True, False]


@pytest.mark.parametrize(("heads", "kv_heads", "parts", "fits"), [(8, 2, 4, True), (6, 3, 2, False), (5, 5, 2, False)])
def test_heads_that_cannot_be_divided_are_refused(heads: int, kv_heads: int, parts: int, fits: bool) -> None:
    config = SimpleNamespace(num_attention_heads=heads, num_key_value_heads=kv_heads)
    if fits:
        check_heads(config, parts)
        return
    with pytest.raises(InputError, match=f"this model has {heads}, with {kv_heads} for keys"):
        check_heads(config, parts)


class DistributedError(BaseException):
    """As torch's distributed checkpoints raise it, which is no Exception."""

    failures: ClassVar = {1: (OSError(28, "No space left on device"), None)}


ERRORS: dict[str, tuple[BaseException, type[BaseException]]] = {
    "system": (OSError(28, "No space left on device"), StorageError),
    "safetensors": (RuntimeError("I/O error: No space left on device (os error 28)"), StorageError),
    "torch": (RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0"), StorageError),
    "distributed": (DistributedError(), StorageError),
    "another": (RuntimeError("shapes do not fit"), RuntimeError),
    "interrupted": (KeyboardInterrupt(), KeyboardInterrupt),
}


@pytest.mark.parametrize("name", ERRORS)
def test_what_a_file_system_refuses_is_one_line_whoever_wrote(tmp_path: Any, name: str) -> None:
    raised, expected = ERRORS[name]
    with pytest.raises(expected) as found, writing(tmp_path / "checkpoint-1"):
        raise raised
    if expected is StorageError:
        assert str(found.value).startswith(f"{tmp_path}/checkpoint-1: cannot be written (")
        assert name == "torch" or "No space left on device" in str(found.value)
        assert "\n" not in str(found.value)
