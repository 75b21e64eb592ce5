"""Facts about a model from its files or its name, without torch and without the network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from promptcot import nano
from promptcot.engines.model_files import WeightsSize, config_of, fingerprint, folder_on_disk, weights_bytes
from promptcot.engines.vllm.server import need_of
from tests.programs import python


def folder_with(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name.replace("_json", ".json").replace("_safetensors", ".safetensors")).write_text(content)
    return folder


def test_the_weights_of_a_folder_are_counted(tmp_path: Path) -> None:
    folder = folder_with(tmp_path / "m-70B", a_safetensors="x" * 100, b_safetensors="x" * 50, other="x" * 900)
    assert weights_bytes(folder) == WeightsSize(150, guessed=False)


def test_the_index_knows_more_than_files_that_are_still_coming(tmp_path: Path) -> None:
    folder = folder_with(tmp_path / "m", a_safetensors="x")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {"total_size": 145_000}}))
    assert weights_bytes(str(folder)) == WeightsSize(145_000, guessed=False)
    (folder / "model.safetensors.index.json").write_text("[broken")
    assert weights_bytes(str(folder)) == WeightsSize(1, guessed=False)


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("meta-llama/Llama-3.1-8B", 8),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B", 1.5),
        ("Qwen/Qwen2.5-72B-Instruct", 72),
        ("somebody/model-7b_v2", 7),
        ("mistralai/Mixtral-8x7B-v0.1", 56),
        ("Qwen/Qwen3-30B-A3B", 30),
    ],
)
def test_a_size_in_the_name_is_a_guess_at_two_bytes_a_weight(name: str, billions: float) -> None:
    assert weights_bytes(name) == WeightsSize(int(billions * 2e9), guessed=True)


@pytest.mark.parametrize(
    "name", ["gpt2", "org/model-v2b1x", "xl-zhao/PromptCoT-Problem-Generation-Model", "8bit/phi-4"]
)
def test_a_name_without_a_size_is_unknown(name: str) -> None:
    assert weights_bytes(name) is None


def test_a_hub_name_is_looked_up_in_the_local_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--org--model-8B"
    snapshot = folder_with(
        repository / "snapshots" / "abc", config_json='{"num_attention_heads": 4}', w_safetensors="xy"
    )
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    assert folder_on_disk("org/model-8B") == snapshot
    assert weights_bytes("org/model-8B") == WeightsSize(2, guessed=False)
    assert config_of("org/model-8B") == {"num_attention_heads": 4}
    assert folder_on_disk("org/other") is None
    assert folder_on_disk("not a name / at all") is None


def test_a_configuration_that_is_not_there_is_none(tmp_path: Path) -> None:
    assert config_of(tmp_path) is None
    (tmp_path / "config.json").write_text("[1]")
    assert config_of(tmp_path) is None


def test_what_a_model_needs_of_gpus_is_read_from_its_files(tmp_path: Path) -> None:
    need = need_of(nano.path("solver"), "solver")
    assert (need.heads, need.kv_heads, need.name) == (5, 5, "solver")
    assert need.weights == (nano.path("solver") / "model.safetensors").stat().st_size
    config = {"text_config": {"num_attention_heads": 16, "num_key_value_heads": 2}, "model_type": "with-pictures"}
    folder = folder_with(tmp_path / "m", config_json=json.dumps(config))
    assert (need_of(folder).heads, need_of(folder).kv_heads, need_of(folder).weights) == (16, 2, None)


def test_the_fingerprint_changes_with_weights_configuration_and_tokenizer(tmp_path: Path) -> None:
    folder = folder_with(tmp_path / "m", a_safetensors="x", config_json="{}", tokenizer_json="{}", README="1")
    seen = [fingerprint(folder)]
    (folder / "README").write_text("2")
    assert fingerprint(folder) == seen[0]
    for name in ("a.safetensors", "config.json", "tokenizer.json"):
        (folder / name).write_text("changed")
        seen.append(fingerprint(folder))
    other = folder_with(tmp_path / "t", tokenizer_json="{}")
    seen.append(fingerprint(folder, other))
    assert len(set(seen)) == len(seen)
    assert all(len(found) == 12 for found in seen)


def test_nothing_heavy_is_loaded_to_look_at_files() -> None:
    program = (
        "import sys; from promptcot import nano; from promptcot.engines.model_files import *; "
        "fingerprint(nano.path('solver')); weights_bytes(str(nano.path('solver'))); "
        "import promptcot.engines.vllm.server; print(sorted({'torch', 'transformers', 'vllm'} & set(sys.modules)))"
    )
    done = python(program)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
