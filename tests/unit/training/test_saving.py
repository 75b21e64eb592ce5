"""The folder of a trained model: loading it gives the same model, it has the right stop tokens and a correct card."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import transformers
from huggingface_hub import ModelCard
from safetensors import safe_open

from promptcot import nano
from promptcot.engines.local import model as local_model
from promptcot.engines.weights import adapter_fault
from promptcot.errors import InputError
from promptcot.evaluation.plots import Result
from promptcot.training import saving
from promptcot.training.data.stop_tokens import end_ids, turn_end
from promptcot.training.recipe import TrainRecipe
from promptcot.training.report.logfile import LogFile
from tests.integration.tiny_models import save_model

pytestmark = pytest.mark.engines

torch.set_num_threads(1)

TURNS = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}<turn>\n{% endfor %}"


class FakeTrainer:
    """The parts of a trainer that saving needs. `accelerator.gathered` counts how often a process waited for others."""

    def __init__(self, model: Any, *, first: bool = True, deepspeed: Any = None) -> None:
        self.model, self.model_wrapped = model, deepspeed
        self.is_deepspeed_enabled = deepspeed is not None
        self.waited = 0
        self.accelerator = SimpleNamespace(wait_for_everyone=self._wait, get_state_dict=lambda engine: engine)
        self._first = first

    def is_world_process_zero(self) -> bool:
        return self._first

    def _wait(self) -> None:
        self.waited += 1


DIVIDED = {"zero": 3}


def recipe(**changes: Any) -> TrainRecipe:
    return TrainRecipe.model_validate(
        {
            "name": "student",
            "model": {"path": "nano:solver"},
            "data": {"path": ["rows.jsonl"]},
            "precision": {"dtype": "float32"},
            **changes,
        }
    )


def loaded(folder: Path) -> tuple[Any, Any]:
    network = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return network.eval(), transformers.AutoTokenizer.from_pretrained(folder)


def logits(network: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = network(torch.arange(5, 25)[None]).logits
    return found


def stored(folder: Path) -> dict[str, torch.Tensor]:
    tensors = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            tensors.update({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    return tensors


@pytest.fixture
def solver() -> tuple[Any, Any]:
    """The nano solver as a training leaves it: without a cache, in float32, changed a little."""
    network, tokenizer = loaded(nano.path("solver"))
    network.config.use_cache = False
    with torch.no_grad():
        network.lm_head.weight += 0.01
    return network.train(), tokenizer


def test_the_saved_model_is_the_one_that_was_trained(tmp_path: Path, solver: tuple[Any, Any]) -> None:
    network, tokenizer = solver
    trainer = FakeTrainer(network)
    folder = saving.save(trainer, tokenizer, recipe(), tmp_path, {})
    again, tokens = loaded(folder)
    assert folder == tmp_path / "model"
    assert torch.equal(logits(again), logits(network.eval()))
    assert tokens("12 + 7 = ").input_ids == tokenizer("12 + 7 = ").input_ids
    assert trainer.waited == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]


def test_the_configuration_is_that_of_the_base(tmp_path: Path, solver: tuple[Any, Any]) -> None:
    saved = json.loads(
        (saving.save(FakeTrainer(solver[0]), solver[1], recipe(), tmp_path, {}) / "config.json").read_text()
    )
    base = json.loads((nano.path("solver") / "config.json").read_text())
    ours = {"dtype": None, "transformers_version": None}
    assert {**saved, **ours} == {**base, **ours}
    assert saved["dtype"] == "float32"
    assert saved["use_cache"] is True


def test_weights_are_stored_in_the_precision_of_the_recipe(tmp_path: Path, solver: tuple[Any, Any]) -> None:
    told = recipe(precision={"dtype": "bfloat16"})
    folder = saving.save(FakeTrainer(solver[0]), solver[1], told, tmp_path, {})
    assert {tensor.dtype for tensor in stored(folder).values()} == {torch.bfloat16}
    assert json.loads((folder / "config.json").read_text())["dtype"] == "bfloat16"
    assert solver[0].dtype == torch.float32


def test_our_engine_takes_the_folder_and_stops_where_the_base_stopped(tmp_path: Path, solver: tuple[Any, Any]) -> None:
    folder = saving.save(FakeTrainer(solver[0]), solver[1], recipe(), tmp_path, {})
    found, base = local_model.load(folder), local_model.load(nano.path("solver"))
    assert (found.stop_ids, found.context, found.parameters) == (base.stop_ids, base.context, base.parameters)


def test_tied_embeddings_are_stored_once(tmp_path: Path) -> None:
    network, tokenizer = loaded(save_model(tmp_path / "base", "qwen2", num_key_value_heads=4, tie_word_embeddings=True))
    weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}  # as DeepSpeed gives them
    folder = saving.save(FakeTrainer(network, deepspeed=weights), tokenizer, recipe(parallelism=DIVIDED), tmp_path, {})
    assert "lm_head.weight" not in stored(folder)
    assert torch.equal(logits(loaded(folder)[0]), logits(network))


def test_tied_embeddings_that_adapters_made_different_are_both_kept(tmp_path: Path) -> None:
    network, tokenizer = loaded(save_model(tmp_path / "base", "qwen2", num_key_value_heads=4, tie_word_embeddings=True))
    weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    weights["lm_head.weight"] += 1.0
    folder = saving.save(FakeTrainer(network, deepspeed=weights), tokenizer, recipe(parallelism=DIVIDED), tmp_path, {})
    again, _ = loaded(folder)
    assert torch.equal(again.lm_head.weight, weights["lm_head.weight"])
    assert torch.equal(again.model.embed_tokens.weight, weights["model.embed_tokens.weight"])


def test_other_processes_gather_but_write_nothing(tmp_path: Path, solver: tuple[Any, Any]) -> None:
    trainer = FakeTrainer(solver[0], first=False, deepspeed={})
    assert saving.save(trainer, solver[1], recipe(parallelism=DIVIDED), tmp_path, {}) == tmp_path / "model"
    assert list(tmp_path.iterdir()) == []
    assert trainer.waited == 1


def test_a_folder_appears_whole_or_not_at_all(
    tmp_path: Path, solver: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = saving.save(FakeTrainer(solver[0]), solver[1], recipe(), tmp_path, {})
    (first / "stale.txt").write_text("from an earlier training")

    def full(*_: Any, **__: Any) -> str:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as changed:
        changed.setattr(saving.card, "text", full)
        with pytest.raises(Exception, match="No space left on device"):
            saving.save(FakeTrainer(solver[0]), solver[1], recipe(), tmp_path, {})
    assert (first / "stale.txt").exists()
    saving.save(FakeTrainer(solver[0]), solver[1], recipe(), tmp_path, {})
    assert not (first / "stale.txt").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]


def test_a_chat_template_comes_along_and_its_end_of_turn_stops_the_model(
    tmp_path: Path, solver: tuple[Any, Any]
) -> None:
    network, tokenizer = solver
    tokenizer.add_special_tokens({"additional_special_tokens": ["<turn>"]})
    network.resize_token_embeddings(len(tokenizer))
    (tmp_path / "turns.jinja").write_text(TURNS)
    told = recipe(model={"path": "nano:solver", "chat_template": str(tmp_path / "turns.jinja")})
    tokenizer.chat_template = TURNS
    folder = saving.save(FakeTrainer(network), tokenizer, told, tmp_path, {})
    turn = tokenizer.convert_tokens_to_ids("<turn>")
    found = local_model.load(folder)
    assert found.tokenizer.chat_template == TURNS
    assert found.stop_ids == {tokenizer.eos_token_id, turn}
    assert json.loads((folder / "generation_config.json").read_text())["eos_token_id"] == [0, turn]


def test_padding_and_cutting_of_the_training_do_not_stay_in_the_tokenizer(
    tmp_path: Path, solver: tuple[Any, Any]
) -> None:
    tokenizer = solver[1]
    tokenizer(["a", "b c d"], padding="max_length", truncation=True, max_length=4)
    written = json.loads(
        (saving.save(FakeTrainer(solver[0]), tokenizer, recipe(), tmp_path, {}) / "tokenizer.json").read_text()
    )
    assert written["truncation"] is None
    assert written["padding"] is None


def test_a_base_that_samples_without_saying_so_can_be_saved(tmp_path: Path, solver: tuple[Any, Any]) -> None:
    network, tokenizer = solver
    network.generation_config.temperature = 0.6
    network.generation_config.do_sample = False
    folder = saving.save(FakeTrainer(network), tokenizer, recipe(), tmp_path, {})
    written = json.loads((folder / "generation_config.json").read_text())
    assert (written["temperature"], written["do_sample"]) == (0.6, True)


def test_a_tokenizer_without_a_pad_token_pads_with_the_end(tmp_path: Path, solver: tuple[Any, Any]) -> None:
    network, tokenizer = solver
    tokenizer.pad_token = None
    network.generation_config.pad_token_id = None
    folder = saving.save(FakeTrainer(network), tokenizer, recipe(), tmp_path, {})
    assert json.loads((folder / "generation_config.json").read_text())["pad_token_id"] == 0


def test_adapters_are_merged_as_their_formula_says() -> None:
    generator = torch.Generator().manual_seed(1)
    base, down, up = (torch.randn(*shape, generator=generator) for shape in ((6, 4), (2, 4), (6, 2)))
    layer = "base_model.model.model.layers.0.q_proj."
    weights = {
        f"{layer}base_layer.weight": base,
        f"{layer}base_layer.bias": torch.ones(6),
        f"{layer}lora_A.default.weight": down,
        f"{layer}lora_B.default.weight": up,
        "base_model.model.model.norm.weight": torch.ones(4),
    }
    found = saving.merged(weights, 2.0)
    assert sorted(found) == ["model.layers.0.q_proj.bias", "model.layers.0.q_proj.weight", "model.norm.weight"]
    assert torch.allclose(found["model.layers.0.q_proj.weight"], base + 2.0 * up @ down)
    assert torch.equal(found["model.layers.0.q_proj.bias"], torch.ones(6))
    assert torch.equal(weights[f"{layer}base_layer.weight"], base)


@pytest.mark.parametrize(
    ("kept", "folders"), [("merged", ["model"]), ("adapter", ["adapter"]), ("both", ["adapter", "model"])]
)
def test_adapters_are_saved_merged_or_alone(
    tmp_path: Path, solver: tuple[Any, Any], kept: str, folders: list[str]
) -> None:
    from peft import LoraConfig, get_peft_model

    model = get_peft_model(solver[0], LoraConfig(task_type="CAUSAL_LM", r=2, target_modules="all-linear"))
    base = {"path": "OWNER/BASE", "revision": "0" * 40}
    told = recipe(method={"lora": {"rank": 2, "save": kept}}, model=base)
    folder = saving.save(FakeTrainer(model), solver[1], told, tmp_path, {})
    assert sorted(path.name for path in tmp_path.iterdir()) == folders
    assert folder == tmp_path / folders[-1]
    if "adapter" in folders:
        config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
        assert (config["base_model_name_or_path"], config["revision"]) == ("OWNER/BASE", "0" * 40)
        assert config["target_modules"] == sorted(config["target_modules"])
        assert adapter_fault(tmp_path / "adapter") is None
        assert "The base model is `OWNER/BASE`, revision `000" in (tmp_path / "adapter" / "README.md").read_text()
        names = list(stored(tmp_path / "adapter"))
        assert all(re.fullmatch(r"base_model\.model\.model\.layers\.\d\..*\.lora_[AB]\.weight", name) for name in names)


def test_the_folder_of_a_base_model_is_no_name_for_other_machines(tmp_path: Path, solver: tuple[Any, Any]) -> None:
    from peft import LoraConfig, get_peft_model

    model = get_peft_model(solver[0], LoraConfig(task_type="CAUSAL_LM", r=2, target_modules="all-linear"))
    told = recipe(method={"lora": {"save": "adapter"}}, model={"path": str(nano.path("solver"))})
    folder = saving.save(FakeTrainer(model), solver[1], told, tmp_path, {})
    config = (folder / "adapter_config.json").read_text()
    assert json.loads(config)["base_model_name_or_path"] is None
    assert str(nano.path("solver")) not in config
    assert "The base model is `solver (a folder)`." in (folder / "README.md").read_text()


def test_an_adapter_that_cannot_be_merged_is_not_left_out_silently() -> None:
    layer = "base_model.model.q_proj."
    weights = {f"{layer}base_layer.weight": torch.ones(2, 2), f"{layer}lora_magnitude_vector.default": torch.ones(2)}
    with pytest.raises(InputError, match="cannot be merged: base_model"):
        saving.merged(weights, 1.0)


def test_a_text_ends_at_every_token_that_any_file_names(solver: tuple[Any, Any]) -> None:
    tokenizer = solver[1]
    assert end_ids(SimpleNamespace(eos_token_id=None), tokenizer) == [0]
    assert end_ids(SimpleNamespace(eos_token_id=[9, 7]), tokenizer) == [0, 7, 9]
    assert turn_end(tokenizer) is None
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}\n{% endfor %}"
    assert turn_end(tokenizer) is None


@pytest.fixture
def card(tmp_path: Path, solver: tuple[Any, Any]) -> Callable[..., str]:
    """The card of a saved model, for a recipe and facts."""

    def made(told: TrainRecipe, facts: dict[str, Any]) -> str:
        folder = saving.save(FakeTrainer(solver[0]), solver[1], told, tmp_path, facts)
        return (folder / "README.md").read_text(encoding="utf-8")

    return made


def test_the_card_says_what_the_model_was_made_of(tmp_path: Path, card: Callable[..., str]) -> None:
    counts = {"event": "logged", "tokens": 123456, "completion_tokens": 4567, "seconds": 60.0, "steps": 20}
    log = LogFile(tmp_path / "log.jsonl")
    log.append({"event": "started", "step": 0, "devices": 2, "device": "a CPU"})
    log.append({"step": 10, "loss": 0.7, **counts})
    log.append({"step": 20, "loss": 0.5, "mean_token_accuracy": 0.9, **counts})
    log.append({"event": "evaluated", "step": 20, "eval_loss": 0.625})
    (tmp_path / "loss.png").write_bytes(b"picture")
    facts = {
        "data": {"rows.jsonl": "ab" * 32},
        "counts": {"rows_in": 1500, "dropped": {"prompt": 3}},
        "kernels": "none",
        "steps": 9,
    }
    text = card(recipe(), facts)
    assert "| training loss, last logged | 0.5000 (step 20) |" in text
    assert "| validation loss | 0.6250 (step 20) |" in text
    assert "| tokens seen | 123,456, of which 4,567 in completions |" in text
    assert "| hardware | 2 × a CPU |" in text
    assert f"| data: rows.jsonl | {'ab' * 32} |" in text
    assert "| counts: rows_in | 1,500 |" in text
    assert "| counts: dropped: prompt | 3 |" in text
    assert "| kernels | none |" in text
    assert "| steps | 20 |" in text
    assert "| steps | 9 |" not in text
    assert f"| torch | {torch.__version__.partition('+')[0]}" in text
    assert "](loss.png)" in text
    assert (tmp_path / "model" / "loss.png").read_bytes() == b"picture"
    assert json.loads(text.partition("```json\n")[2].partition("\n```")[0]) == recipe().model_dump(mode="json")
    best = card(recipe(), {**facts, "checkpoint": "step 10 of 20", "at_step": 10})
    assert "| training loss, last logged | 0.7000 (step 10) |" in best
    assert "validation loss |" not in best  # of another model than this one
    assert "| checkpoint | step 10 of 20 |" in best
    assert "at_step" not in best


def test_the_head_of_the_card_names_what_lies_on_the_hub_and_nothing_else(card: Callable[..., str]) -> None:
    told = recipe(
        model={"path": "some/base-1.5B", "revision": "abc"}, data={"path": ["some/rows", "folder/rows.jsonl.zst"]}
    )
    ours = {"library_name": "transformers", "pipeline_tag": "text-generation", "tags": ["promptcot", "sft"]}
    assert head(card(told, {})) == {**ours, "base_model": "some/base-1.5B", "datasets": ["some/rows"]}
    assert head(card(recipe(), {})) == ours


def head(text: str) -> dict[str, Any]:
    found: dict[str, Any] = ModelCard(text).data.to_dict()
    return found


def test_results_of_an_evaluation_replace_earlier_ones(tmp_path: Path, card: Callable[..., str]) -> None:
    card(recipe(), {})
    saving.add_results(tmp_path / "model", [Result("student", "nano", 0.125, (0.1, 0.15), 400)])
    saving.add_results(tmp_path / "model", [Result("student", "nano", 0.5, (0.45, 0.55), 400, 31.4)])
    text = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert "| student | nano | 50.0 | 45.0 to 55.0 | 400 | 31 |" in text
    assert "12.5" not in text
    assert text.endswith("head of this file.\n")


def test_a_card_holds_no_key_and_nothing_that_a_terminal_obeys(tmp_path: Path, card: Callable[..., str]) -> None:
    text = card(recipe(), {"data": {"hf_abcdefghijklmnopqrst/half \ud800\x1b[2J.jsonl": "ab"}})
    assert "| data: ***/half \\ud800�.jsonl | ab |" in text
    saving.add_results(tmp_path / "model", [Result("half \ud800", "\x1b[2J", 0.5, None, 4)])
    assert "| half \\ud800 | � | 50.0 |" in (tmp_path / "model" / "README.md").read_text(encoding="utf-8")


def test_results_need_a_card_of_ours(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        saving.add_results(tmp_path, [])
    (tmp_path / "README.md").write_text("# Somebody's model")
    with pytest.raises(InputError, match="no marked place"):
        saving.add_results(tmp_path, [])
