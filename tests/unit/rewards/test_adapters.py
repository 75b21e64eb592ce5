"""Each adapter, called as by its trainer (docs/rewards.md lists the versions), and its results."""

from __future__ import annotations

import asyncio
import importlib
import pickle
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from promptcot.errors import UsageError
from promptcot.rewards import REASONS
from tests.reward_stand_ins import stand_ins

RIGHT, WRONG, NONE, BROKEN = (r"\boxed{4}", "4"), (r"\boxed{5}", "4"), ("Hm.", "4"), (r"\boxed{4}", None)
PAIRS = [RIGHT, WRONG, NONE, BROKEN]
FOUND = ["right", "wrong", "no_answer", "gold_unreadable"]
ADAPTERS = ("trl", "verl", "openrlhf", "nemo_rl", "nemo_gym", "skyrl", "verifiers")


@pytest.fixture(autouse=True)
def _stand_ins() -> Iterator[None]:
    with stand_ins():
        yield


def adapter(name: str) -> Any:
    return importlib.import_module(f"promptcot.rewards.{name}")


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapter_is_short(name: str) -> None:
    assert len(Path(adapter(name).__file__).read_text(encoding="utf-8").splitlines()) <= 40


@pytest.mark.parametrize("conversational", [False, True])
def test_trl_gets_none_for_an_unreadable_gold_and_logs_the_reasons(conversational: bool) -> None:
    metrics, extra = {}, {}
    replies = [[{"role": "assistant", "content": reply}] if conversational else reply for reply, _ in PAIRS]
    found = adapter("trl").Reward(answer="gold")(
        prompts=["Q"] * 4,
        completions=replies,
        completion_ids=[[1, 2]] * 4,
        gold=[gold for _, gold in PAIRS],
        other=[1] * 4,
        trainer_state=object(),
        log_metric=metrics.__setitem__,
        log_extra=extra.__setitem__,
    )
    assert found == [1.0, 0.0, 0.0, None]
    assert extra == {"reason": FOUND}
    assert metrics == {f"reason/{reason}": 0.25 * (reason in FOUND) for reason in REASONS}


def test_trl_without_its_log_with_options_and_pickled() -> None:
    reward = pickle.loads(pickle.dumps(adapter("trl").Reward(format=0.5, overlong=(10, 5))))
    assert reward.__name__ == "promptcot"
    assert reward(["Q <think>\n"] * 2, [r"\boxed{4}", r"a</think>\boxed{4}"], [[1] * 10, [1]], answer=["4", "4"]) == [
        -1.0,
        1.5,
    ]


def test_trl_names_a_column_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="no column 'answer'"):
        adapter("trl").Reward()(["Q"], ["4"], solution=["4"])
    with pytest.raises(UsageError, match="limit"):
        adapter("trl").Reward(limit=-1)


def test_verl_gets_a_score_and_the_accuracy_of_its_filter_with_the_same_keys_always() -> None:
    compute_score = adapter("verl").compute_score
    found = [
        compute_score(
            data_source="s", solution_str=reply, ground_truth=gold, extra_info={"num_turns": None}, format=0.1
        )
        for reply, gold in PAIRS
    ]
    assert [one["score"] for one in found] == [1.1, 0.1, 0.0, 0.0]
    assert [one["acc"] for one in found] == [1.0, 0.0, 0.0, 0.0]
    assert [one["reason"] for one in found] == FOUND
    assert {tuple(one) for one in found} == {("score", "acc", "reason", *(f"reason/{reason}" for reason in REASONS))}
    assert compute_score("s", *RIGHT, reward_router_address="a", reward_model_tokenizer=object())["score"] == 1.0


def test_openrlhf_gets_tensors_for_the_reply_behind_the_prompt() -> None:
    torch = pytest.importorskip("torch")
    prompt = r"<|user|>Put it in \boxed{4}<|assistant|>"
    queries = ["<s>" + prompt + str(reply) + "<|end|>" for reply, _ in PAIRS]
    found = adapter("openrlhf").reward_func(queries, [prompt] * 4, [gold for _, gold in PAIRS], format=0.5)
    assert found["rewards"].tolist() == [1.5, 0.5, 0.0, 0.0]
    assert found["scores"].tolist() == [1.0, 0.0, 0.0, 0.0]
    assert list(found["extra_logs"]) == [f"reason/{reason}" for reason in REASONS]
    assert all(isinstance(one, torch.Tensor) and one.shape == (4,) for one in found["extra_logs"].values())
    decoded, given = r"Put it in \boxed{4} .<|assistant|> ", r"Put it  in \boxed{4}.<|assistant|> "
    found = adapter("openrlhf").reward_func(
        [decoded + "Hm.", decoded + r"\boxed{5}<|assistant|> \boxed{4}"], [given] * 2, ["4"] * 2
    )
    assert found["rewards"].tolist() == [0.0, 1.0]
    opened = adapter("openrlhf").reward_func([r"Q<think>\boxed{4}"], ["Q<think>"], ["4"])
    assert opened["extra_logs"]["reason/truncated"].tolist() == [1.0]
    assert adapter("openrlhf").reward_func([], [], [])["rewards"].tolist() == []


def test_nemo_rl_gets_a_batch_that_has_ended() -> None:
    torch = pytest.importorskip("torch")
    environment = adapter("nemo_rl").PromptCoTEnvironment({"num_workers": 8, "reward": {"format": 0.5}})
    logs = [
        [
            {"role": "user", "content": r"\boxed{4}", "token_ids": torch.tensor([1])},
            {"role": "assistant", "content": reply},
        ]
        for reply, _ in PAIRS
    ]
    found = environment.step(logs, [{"ground_truth": gold, "kept": 1} for _, gold in PAIRS])
    assert found.rewards.tolist() == [1.5, 0.5, 0.0, 0.0]
    assert found.terminateds.tolist() == [1.0] * 4
    assert [(one["reason"], one["kept"]) for one in found.metadata] == [(reason, 1) for reason in FOUND]
    assert len(found.observations) == len(found.next_stop_strings) == 4
    batch = {"rewards": torch.tensor([1.0, 1.0]), "is_end": torch.tensor([1.0, 0.0])}
    assert environment.global_post_process_and_metrics(batch) == (batch, {"reward": 0.5})


@pytest.mark.parametrize(("pair", "reason"), list(zip(PAIRS, FOUND, strict=True)))
def test_nemo_gym_gets_the_rollout_back_with_its_reward(pair: tuple[str, Any], reason: str) -> None:
    module = adapter("nemo_gym")
    server = module.PromptCoTServer(config=module.PromptCoTConfig(reward={"limit": 2}))
    thought = {"type": "reasoning", "content": [{"type": "reasoning_text", "text": r"\boxed{4}"}]}
    said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": pair[0]}]}
    body = module.PromptCoTRequest(
        responses_create_params={"input": []}, response={"output": [thought, said]}, expected_answer=pair[1]
    )
    found = asyncio.run(server.verify(body))
    assert (found.reward, found.reason, found.expected_answer) == (float(reason == "right"), reason, pair[1])
    assert found.response == body.response


def test_nemo_gym_knows_a_rollout_that_was_cut_off() -> None:
    module = adapter("nemo_gym")
    body = module.PromptCoTRequest(
        responses_create_params={}, response={"output": [], "status": "incomplete"}, expected_answer="4"
    )
    server = module.PromptCoTServer(config=module.PromptCoTConfig())
    assert asyncio.run(server.verify(body)).reason == "truncated"


@pytest.mark.parametrize(("pair", "reason"), list(zip(PAIRS, FOUND, strict=True)))
def test_skyrl_gets_a_step_that_ends_the_trajectory(pair: tuple[str, Any], reason: str) -> None:
    extras = {"reward_spec": {"method": "rule", "ground_truth": pair[1]}, "max_turns": 1}
    environment = adapter("skyrl").PromptCoTEnv(env_config={}, extras=extras, reward={"verifier": "integers"})
    right = float(reason == "right")
    step = {"observations": [], "reward": right, "done": True, "metadata": {"reason": reason, "acc": right}}
    assert environment.step(pair[0]) == step
    assert environment.get_metrics()[f"reason/{reason}"] == 1.0


def test_verifiers_scores_the_rows_of_a_file_and_checks_their_golds(tmp_path: Path) -> None:
    module, file = adapter("verifiers"), tmp_path / "rows.jsonl"
    file.write_text('{"prompt": "Q", "answer": "4"}\n{"prompt": [{"role": "user", "content": "Q"}], "answer": "7.5"}\n')
    config = module.PromptCoTConfig(path=str(file), task={"reward": {"verifier": "integers"}})
    one, other = module.PromptCoTTaskset(config).load()
    assert (one.data.idx, one.data.prompt, one.data.answer) == (0, "Q", "4")
    metrics: dict[str, float] = {}
    trace = SimpleNamespace(last_reply=r"\boxed{4}", is_truncated=False, record_metrics=metrics.update)
    assert asyncio.run(one.correct(trace)) == 1.0
    assert metrics["reason/right"] == 1.0
    assert asyncio.run(other.correct(trace)) == 0.0
    assert metrics["reason/gold_unreadable"] == 1.0
    assert [asyncio.run(task.validate(None)) for task in (one, other)] == [True, False]
