"""Weights are read from safetensors only, by every loader; a folder with other weights is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptcot.engines.opening import Engines
from promptcot.engines.weights import check_weights
from promptcot.errors import EngineUnusable, RecipeError
from promptcot.recipe.schema import Encode, Model
from promptcot.training.checks import check
from promptcot.training.recipe import load_train

PICKLES = ["pytorch_model.bin", "pytorch_model-00001-of-00002.bin", "model.pt", "consolidated.00.pth", "model.ckpt"]


def folder_with(tmp_path: Path, *names: str) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("config.json", *names):
        (folder / name).write_bytes(b"{}")
    return folder


@pytest.mark.parametrize("name", PICKLES)
def test_a_folder_that_holds_only_pickles_is_named_with_the_way_out(tmp_path: Path, name: str) -> None:
    folder = folder_with(tmp_path, name)
    with pytest.raises(EngineUnusable) as raised:
        check_weights(folder)
    said = str(raised.value)
    assert said.startswith(f"{folder}: holds no *.safetensors")
    assert all(word in said for word in (name, "save_pretrained"))
    assert "\n" not in said


def test_safetensors_beside_pickles_are_read(tmp_path: Path) -> None:
    check_weights(folder_with(tmp_path, "pytorch_model.bin", "model.safetensors"))


def test_an_adapter_is_read_from_safetensors_only(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, "model.safetensors", "adapter_model.bin")
    with pytest.raises(EngineUnusable, match=r"adapter_model\.bin is an adapter that is not in safetensors"):
        check_weights(folder)
    (folder / "adapter_model.safetensors").touch()
    check_weights(folder)


@pytest.mark.parametrize("name", PICKLES)
@pytest.mark.parametrize("section", [Model, Encode])
async def test_vllm_is_not_started_over_pickles(tmp_path: Path, section: type[Model], name: str) -> None:
    folder = folder_with(tmp_path, name)
    async with Engines(tmp_path) as engines:
        with pytest.raises(EngineUnusable, match=r"holds no \*\.safetensors"):
            await engines.open(section(model=str(folder), engine="vllm"), "generator")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("words", ["one={}", '{{"name": "one", "path": "{}"}}'])
@pytest.mark.parametrize("option", ["--lora-modules", "--lora_modules"])
async def test_nor_with_an_adapter_that_is_a_pickle(tmp_path: Path, option: str, words: str) -> None:
    folder = folder_with(tmp_path, "model.safetensors")
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_model.bin").touch()
    spec = Model(model=str(folder), engine="vllm", engine_args=["--enable-lora", option, "x=y", words.format(adapter)])
    async with Engines(tmp_path) as engines:
        with pytest.raises(EngineUnusable, match="adapter"):
            await engines.open(spec, "generator")


async def test_weights_that_vllm_makes_up_itself_need_no_file(tmp_path: Path) -> None:
    spec = Model(model=str(folder_with(tmp_path)), engine="vllm", engine_args=["--load-format", "dummy"])
    async with Engines(tmp_path) as engines:
        await engines.open(spec, "generator")


@pytest.mark.parametrize("name", PICKLES)
def test_no_training_starts_from_pickles(tmp_path: Path, name: str) -> None:
    recipe = load_train("nano-student", [], {"model.path": str(folder_with(tmp_path, name))})
    with pytest.raises(RecipeError, match=r"model\.path: .*holds no \*\.safetensors"):
        check(recipe)
