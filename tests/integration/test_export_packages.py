"""Exports loaded by the trainers themselves if they are installed; this project does not install most of them.

pip install verl openrlhf skyrl-gym verifiers; NeMo RL, NeMo Gym and SkyRL's trainer are not on PyPI for Python 3.11
without a GPU: of these the columns are held by `tests/unit/exports/test_formats.py`, as docs/export.md says.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from promptcot.exports.check import check
from promptcot.exports.formats import FORMATS, format_of
from promptcot.records import Row
from tests.exports import ASKED, example, write

pytestmark = pytest.mark.filterwarnings("ignore")  # those of the packages are theirs
EXAMPLES = [example(number) for number in range(3)]
PACKAGES = {"verl": "verl", "openrlhf": "openrlhf", "nemo-rl": "nemo_rl", "skyrl": "skyrl.train", "prime": "verifiers"}
PACKAGES |= dict.fromkeys(("sft", "dpo", "trl"), "trl")
LAYOUTS = [(name, layout) for name in PACKAGES for layout in FORMATS[name].layouts]


class Tokenizer:
    """A readable chat template, and a token for each letter."""

    def apply_chat_template(self, messages: list[dict[str, str]], tokenize: bool = True, **options: Any) -> Any:
        text = "".join(f"<{turn['role']}>{turn['content']}" for turn in messages)
        text += "<assistant>" * bool(options.get("add_generation_prompt"))
        return [*map(ord, text)] if tokenize else text


def exported(name: str, folder: Path, layout: str | None = None) -> tuple[Path, list[Row]]:
    format = format_of(name, layout)
    rows = list(format.rows(EXAMPLES, "train"))
    return write(format, rows, folder), rows


@pytest.mark.parametrize(("name", "layout"), LAYOUTS)
def test_the_loader_of_the_trainer_reads_what_was_written(name: str, layout: str, tmp_path: Path) -> None:
    pytest.importorskip(PACKAGES[name])
    path, _ = exported(name, tmp_path, layout)
    found = check(format_of(name, layout), {"train": [path]})
    assert (found.ok, found.own, found.rows) == (True, True, {"train": 3}), found


def test_verl_gives_its_rollouts_the_messages_and_the_reward_the_gold(tmp_path: Path) -> None:
    pytest.importorskip("verl")
    from omegaconf import OmegaConf
    from verl.utils.dataset.rl_dataset import RLHFDataset

    from promptcot.rewards.verl import compute_score

    path, _ = exported("verl", tmp_path)
    config = OmegaConf.create({"max_prompt_length": 200, "cache_dir": str(tmp_path), "filter_overlong_prompts": True})
    data = RLHFDataset([str(path)], Tokenizer(), config)
    assert len(data) == 3
    row = data[1]
    assert (row["raw_prompt"], row["index"]) == ([{"role": "user", "content": ASKED}], 1)
    gold = row["reward_model"]["ground_truth"]
    found = compute_score(row["data_source"], r"\boxed{4}", gold, extra_info=row["extra_info"])
    assert found["score"] == 1.0


def test_verl_fine_tunes_on_messages(tmp_path: Path) -> None:
    pytest.importorskip("verl")
    from verl.utils.dataset import multiturn_sft_dataset

    path, rows = exported("sft", tmp_path, "messages")
    read = multiturn_sft_dataset.MultiTurnSFTDataset.__new__(multiturn_sft_dataset.MultiTurnSFTDataset)
    keys = {"messages_key": "messages", "tools_key": "tools", "enable_thinking_key": "enable_thinking"}
    for key, value in {**keys, "parquet_files": [path], "max_samples": -1, "tokenizer": None}.items():
        setattr(read, key, value)
    read.apply_chat_template_kwargs = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(multiturn_sft_dataset, "extract_system_prompt_and_generation", lambda *given, **options: ("", ""))
        read._read_files_and_process()
    assert read.messages == [row["messages"] for row in rows]
    assert (read.tools, read.enable_thinking) == (None, None)


@pytest.mark.parametrize("layout", ["messages", "text"])
def test_openrlhf_reads_prompts_and_labels(layout: str, tmp_path: Path) -> None:
    pytest.importorskip("openrlhf")
    from openrlhf.datasets.prompts_dataset import PromptDataset
    from openrlhf.datasets.utils import blending_datasets

    path, _ = exported("openrlhf", tmp_path, layout)
    keys = {"input_key": "input", "label_key": "label", "apply_chat_template": True}
    strategy = SimpleNamespace(
        print=print, is_rank_0=lambda: False, args=SimpleNamespace(data=SimpleNamespace(**keys), use_ms=False)
    )
    data = PromptDataset(blending_datasets(str(path), strategy=strategy), Tokenizer(), strategy)
    assert [data[place] for place in range(3)] == [("promptcot", f"<user>{ASKED}<assistant>", "4", None)] * 3


@pytest.mark.parametrize(
    ("layout", "keys"),
    [
        ("messages", {"input_key": "messages", "output_key": None}),
        ("conversation", {"input_key": "prompt", "output_key": "completion"}),
        ("prompt-completion", {"input_key": "prompt", "output_key": "completion"}),
    ],
)
def test_openrlhf_fine_tunes_on_each_layout(layout: str, keys: dict[str, Any], tmp_path: Path) -> None:
    sft = pytest.importorskip("openrlhf.datasets.sft_dataset")
    _, rows = exported("sft", tmp_path, layout)
    template = Tokenizer().apply_chat_template
    found = sft.preprocess_data(rows[0], None, **keys, apply_chat_template=template)
    assert found == (f"<user>{ASKED}<assistant>", EXAMPLES[0].completion)


@pytest.mark.parametrize("layout", ["messages", "text"])
def test_openrlhf_learns_pairs_and_no_margin(layout: str, tmp_path: Path) -> None:
    reward = pytest.importorskip("openrlhf.datasets.reward_dataset")
    format = format_of("dpo", layout)
    row = format.row(example(extra={"margin": 0.5}), "train", 0)
    template = Tokenizer().apply_chat_template if layout == "messages" else None
    prompt, chosen, rejected, margin = reward.preprocess_data(row, None, "prompt", apply_chat_template=template)
    assert prompt == (f"<user>{ASKED}<assistant>" if template else ASKED)
    assert (chosen, rejected, margin) == (r"\boxed{4}", r"\boxed{5}", 0)


def test_skyrl_hands_the_gold_to_the_environment(tmp_path: Path) -> None:
    gym = pytest.importorskip("skyrl_gym")
    from skyrl_gym.envs.registration import register

    register(id="promptcot-export", entry_point="promptcot.rewards.skyrl:PromptCoTEnv")
    row = format_of("skyrl").row(example(), "train", 0)
    extras = {name: value for name, value in row.items() if name not in ("prompt", "env_class")}
    environment = gym.make("promptcot-export", env_config={}, extras={**extras, "max_turns": 1})
    assert environment.init(row["prompt"])[0]
    assert environment.step(r"\boxed{4}")["reward"] == 1.0


def test_the_package_beside_the_rows_is_a_taskset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("verifiers")
    from verifiers.v1.utils.loaders import taskset_class

    path, _ = exported("prime", tmp_path)
    for name, text in FORMATS["prime"].beside.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = taskset_class("promptcot-set")
    [first, *_] = found(importlib.import_module("promptcot.rewards.verifiers").PromptCoTConfig(path=str(path))).load()
    assert (first.data.prompt[0].content, first.data.answer) == (ASKED, "4")


def test_a_row_of_nemo_gym_is_a_request_of_responses(tmp_path: Path) -> None:
    """openai has the types that NeMo Gym builds on."""
    responses = pytest.importorskip("openai.types.responses")
    pydantic = pytest.importorskip("pydantic")
    path, _ = exported("nemo-gym", tmp_path)
    row = json.loads(path.read_text(encoding="utf-8").splitlines()[0])
    adapter = pydantic.TypeAdapter(responses.ResponseInputParam)
    assert list(adapter.validate_python(row["responses_create_params"]["input"]))


@pytest.mark.parametrize("layout", ["messages", "conversation", "prompt-completion", "text"])
def test_trl_takes_each_layout_for_what_it_is(layout: str) -> None:
    data_utils = pytest.importorskip("trl.data_utils")
    row = format_of("sft", layout).row(example(), "train", 0)
    assert data_utils.is_conversational(row) == (layout in ("messages", "conversation"))
    found = data_utils.maybe_apply_chat_template(
        row, SimpleNamespace(apply_chat_template=Tokenizer().apply_chat_template)
    )
    assert "text" in found or {"prompt", "completion"} <= set(found)
