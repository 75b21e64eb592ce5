"""A trained model is a folder that engines load: with merged adapters, by our engine and by a vLLM server."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from promptcot import nano
from promptcot.engines.local.engine import LocalEngine
from promptcot.engines.openai.engine import OpenAIEngine
from promptcot.engines.vllm.options import ServerOptions
from promptcot.engines.vllm.placement import CPU
from promptcot.engines.vllm.server import Launch, VllmServer
from promptcot.recipe.schema import Served
from promptcot.records import Message, Request, Sampling
from promptcot.training import saving
from promptcot.training.recipe import TrainRecipe

pytestmark = pytest.mark.engines

torch.set_num_threads(1)

RANK, ALPHA = 4, 16
TEMPLATE = "{% for m in messages %}{{ m['content'] }}\n{% endfor %}"
QUESTIONS = (
    "Find the midpoint of 3 and 9 on the number line.",
    "Determine the larger root of x^2 - 11x + 28 = 0.",
)


class Trained:
    """The parts of a trainer that saving needs, with the nano solver and adapters that change it slightly."""

    is_deepspeed_enabled = False
    accelerator = SimpleNamespace(wait_for_everyone=lambda: None)

    def __init__(self) -> None:
        from peft import LoraConfig, get_peft_model

        base = transformers.AutoModelForCausalLM.from_pretrained(nano.path("solver"), dtype=torch.float32)
        told = LoraConfig(task_type="CAUSAL_LM", r=RANK, lora_alpha=ALPHA, target_modules="all-linear")
        self.model: Any = get_peft_model(base, told).eval()
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                if "lora_" in name:  # PEFT begins with B = 0, with which an adapter that is left out is not noticed
                    size = 0.05 if "lora_A" in name else 0.005
                    parameter.copy_(size * torch.randn(parameter.shape, generator=generator))

    def is_world_process_zero(self) -> bool:
        return True


@pytest.fixture(scope="module")
def trained() -> Trained:
    """A model with adapters, before they are merged."""
    return Trained()


@pytest.fixture(scope="module")
def folder(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that is saved, with a chat template."""
    directory = tmp_path_factory.mktemp("training")
    (directory / "chat.jinja").write_text(TEMPLATE)
    recipe = TrainRecipe.model_validate(
        {
            "name": "student",
            "model": {"path": "nano:solver", "chat_template": str(directory / "chat.jinja")},
            "data": {"path": "rows.jsonl"},
            "method": {"lora": {"rank": RANK, "alpha": ALPHA}},
            "precision": {"dtype": "float32"},
        }
    )
    tokenizer = transformers.AutoTokenizer.from_pretrained(nano.path("solver"))
    return saving.save(trained, tokenizer, recipe, directory, {})


@pytest.fixture(scope="module")
def student_url(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A vLLM server of the folder, as it is: no template, no stop token is given."""
    log = tmp_path_factory.mktemp("vllm") / "vllm.log"
    server = VllmServer(ServerOptions(str(folder), "student", dtype="float32"), CPU, Launch(log, patience=300))
    asyncio.run(server.start())
    yield server.urls[0]
    asyncio.run(server.stop())


def logits(network: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = network(torch.arange(2, 102).reshape(4, 25)).logits
    return found


def test_the_merged_model_computes_what_the_model_with_adapters_did(trained: Trained, folder: Path) -> None:
    from safetensors.torch import load_file

    saved = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with_adapters = logits(trained.model)
    with trained.model.disable_adapter():
        assert (logits(trained.model) - with_adapters).abs().max() > 0.1
    assert (logits(saved) - with_adapters).abs().max() < 1e-3
    assert not [name for name in load_file(folder / "model.safetensors") if "lora" in name or "base" in name]


def test_merging_is_what_peft_does(trained: Trained, folder: Path) -> None:
    theirs = copy.deepcopy(trained.model).merge_and_unload()
    ours = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    assert theirs.state_dict().keys() == ours.state_dict().keys()
    for name, weight in theirs.state_dict().items():
        assert np.allclose(weight, ours.state_dict()[name], atol=1e-6), name


async def test_our_engine_and_a_vllm_server_answer_alike(folder: Path, student_url: str) -> None:
    sampling = Sampling(temperature=0, max_tokens=300)
    plain = [Request(prompt=f"{question}\n", sampling=sampling) for question in QUESTIONS]
    chats = [Request(messages=(Message("user", question),), sampling=sampling) for question in QUESTIONS]
    local, served = (
        LocalEngine(folder, workers=1),
        OpenAIEngine("student", Served(base_url=[student_url], api_key_env="")),
    )
    try:
        ours = [await local.complete(request) for request in (*plain, *chats)]
        theirs = [await served.complete(request) for request in (*plain, *chats)]
    finally:
        await local.close()
        await served.close()
    assert {completion.finish_reason for completion in (*ours, *theirs)} == {"stop"}
    assert [completion.text for completion in ours] == [completion.text for completion in theirs]
    assert all("\\boxed{" in completion.text for completion in ours)
    assert [completion.text for completion in ours[:2]] == [completion.text for completion in ours[2:]]
