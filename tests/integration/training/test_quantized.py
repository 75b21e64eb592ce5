"""QLoRA: it learns and resumes, and its adapters are merged into the original weights of the base model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from promptcot import nano
from promptcot.training.recipe import load_train
from promptcot.training.run import train
from tests.integration.training.trainings import changes, losses, write_recipe, write_rows

pytestmark = pytest.mark.engines

pytest.importorskip("bitsandbytes", reason="weights of four bits need bitsandbytes")
torch.set_num_threads(1)


def test_adapters_over_four_bits_are_merged_into_whole_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PROMPTCOT_CACHE", str(tmp_path / "cache"))
    write_rows(tmp_path / "rows.jsonl", 96)
    write_recipe(tmp_path / "small.toml")
    told = {"schedule__max_steps": 6, "schedule__learning_rate": 1e-2, "checkpoints__every": 6}
    recipe = load_train("small.toml", [*changes(told), "method.lora={rank=4, bits=4}"], {"output_dir": "q"})
    folder = train(recipe, lambda line: None)
    assert losses(tmp_path / "q")[-1] < losses(tmp_path / "q")[0] - 2
    assert "quantization_config" not in json.loads((folder / "config.json").read_text())
    base = load_file(Path(nano.resolve("nano:solver", "base")) / "model.safetensors")
    made, learnt = load_file(folder / "model.safetensors"), load_file("q/checkpoint-6/adapter_model.safetensors")
    for name, before in base.items():
        layer = f"base_model.model.{name.removesuffix('weight')}"
        change = torch.zeros(())
        if f"{layer}lora_A.weight" in learnt:
            change = 8 * learnt[f"{layer}lora_B.weight"].float() @ learnt[f"{layer}lora_A.weight"].float()
        torch.testing.assert_close(made[name], before.float() + change, rtol=0, atol=1e-6)
