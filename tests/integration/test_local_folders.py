"""Model folders that the embedded engine opens or refuses, with a message that names the problem."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from promptcot.engines.local.engine import LocalEngine
from promptcot.errors import EngineUnusable, InputError
from promptcot.records import Request, Sampling
from tests.integration.tiny_models import KINDS, save_all, save_model

ASKED = Request(prompt="a", sampling=Sampling(max_tokens=10))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return save_all(tmp_path_factory.mktemp("models"))


def test_a_path_that_does_not_exist_is_said_so_and_nothing_is_fetched(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere", "some/model", "a/b/c"):
        with pytest.raises(InputError, match="no such model folder"):
            LocalEngine(path)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file"):
        LocalEngine(tmp_path / "file")


def test_a_folder_without_safetensors_or_tokenizer_or_all_weights_is_unusable(
    tmp_path: Path, folders: dict[str, Path]
) -> None:
    weights = folders["llama"] / "model.safetensors"
    config = (folders["llama"] / "config.json").read_text()
    (tmp_path / "config.json").write_text(config)
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(EngineUnusable, match=r"no \*\.safetensors"):
        LocalEngine(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(weights.read_bytes())
    with pytest.raises(EngineUnusable, match="--tokenizer_path"):
        LocalEngine(tmp_path)
    (tmp_path / "config.json").write_text(config.replace('"num_hidden_layers": 2', '"num_hidden_layers": 3'))
    with pytest.raises(EngineUnusable, match="weights are missing"):
        LocalEngine(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(EngineUnusable, match="no causal language model"):
        LocalEngine(tmp_path)


@pytest.mark.parametrize("kind", list(KINDS))
def test_no_tokenizer_is_made_up_where_the_folder_has_none(tmp_path: Path, folders: dict[str, Path], kind: str) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((folders[kind] / name).read_bytes())
    with pytest.raises(EngineUnusable, match="no tokenizer can be loaded"):
        LocalEngine(tmp_path)


@pytest.mark.parametrize(("kind", "shape"), [("mamba", {}), ("lfm2", {"layer_types": ["conv", "full_attention"]})])
def test_a_model_that_keeps_anything_but_keys_and_values_is_unusable(
    tmp_path: Path, kind: str, shape: dict[str, Any]
) -> None:
    with pytest.raises(EngineUnusable, match=f"attention layers, but {kind} has other layers"):
        LocalEngine(save_model(tmp_path / kind, kind, **shape))


async def test_a_tokenizer_may_come_from_another_folder(tmp_path: Path, folders: dict[str, Path]) -> None:
    for name in ("config.json", "generation_config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((folders["llama"] / name).read_bytes())
    engine, whole = LocalEngine(tmp_path, tokenizer_path=folders["llama"]), LocalEngine(folders["llama"])
    assert await engine.complete(ASKED) == await whole.complete(ASKED)
    await engine.close()
    await whole.close()


async def test_the_models_name_changes_with_its_weights_and_with_nothing_else(tmp_path: Path) -> None:
    names = []
    for place, seed in (("one/m", 0), ("two/m", 0), ("three/m", 1)):
        engine = LocalEngine(save_model(tmp_path / place, "llama", seed=seed))
        names.append(engine.model)
        await engine.close()
    assert names[0] == names[1] != names[2]
    assert names[0].startswith("m@")
