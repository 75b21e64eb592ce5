"""Adapters in the frameworks themselves if they are installed; this project does not install them.

pip install verl openrlhf skyrl-gym verifiers
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

REPLIES = {r"\boxed{4}": 1.0, r"\boxed{5}": 0.0, r"<think>\boxed{4}": 0.0, r"\boxed{2+2}": 1.0}


def test_verl_loads_the_function_by_its_path_and_gets_its_options() -> None:
    pytest.importorskip("verl")
    from omegaconf import OmegaConf
    from verl.trainer.ppo.reward import get_custom_reward_fn

    function = {"path": "pkg://promptcot.rewards.verl", "name": "compute_score", "reward_kwargs": {"format": 0.5}}
    config = OmegaConf.create({"reward": {"custom_reward_function": function}, "custom_reward_function": function})
    compute_score: Any = get_custom_reward_fn(config)
    found = compute_score(data_source="s", solution_str=r"\boxed{4}", ground_truth="4", extra_info={})
    assert (found["score"], found["acc"]) == (1.5, 1.0)


def test_the_reward_manager_of_verl_calls_it_in_a_thread_and_keeps_what_it_says() -> None:
    pytest.importorskip("verl")
    import torch
    from omegaconf import OmegaConf
    from verl import DataProto
    from verl.experimental.reward_loop.reward_manager.naive import NaiveRewardManager

    from promptcot.rewards.verl import compute_score

    class Tokenizer:
        def decode(self, ids: Any, skip_special_tokens: bool) -> str:
            return r"\boxed{\sin(b+a)}"

    async def judged() -> Any:
        rows = {"data_source": "s", "reward_model": {"style": "rule", "ground_truth": r"\sin(a+b)"}, "extra_info": {}}
        tensors = {
            "responses": torch.ones(1, 4, dtype=torch.long),
            "attention_mask": torch.ones(1, 8, dtype=torch.long),
        }
        data = DataProto.from_dict(tensors, {name: np.array([value], dtype=object) for name, value in rows.items()})
        manager = NaiveRewardManager(OmegaConf.create({}), Tokenizer(), compute_score)
        manager.loop = asyncio.get_running_loop()
        return await manager.run_single(data)

    found = asyncio.run(judged())
    assert (found["reward_score"], found["reward_extra_info"]["acc"]) == (1.0, 1.0)
    assert found["reward_extra_info"]["reason"] == "right"


def test_openrlhf_loads_the_function_by_its_file_and_calls_it_in_a_thread() -> None:
    agent = pytest.importorskip("openrlhf.utils.agent")
    from promptcot.rewards import openrlhf

    executor = agent.SingleTurnAgentExecutor(openrlhf.__file__)
    [found] = asyncio.run(executor._fetch_rewards_via_func([r"Q\boxed{4}"], ["Q"], ["4"]))
    assert found["rewards"].tolist() == found["scores"].tolist() == [1.0]


def test_skyrl_makes_the_environment_by_its_name() -> None:
    gym = pytest.importorskip("skyrl_gym")
    from skyrl_gym.envs.registration import register

    register(id="promptcot", entry_point="promptcot.rewards.skyrl:PromptCoTEnv", kwargs={"reward": {"limit": 2}})
    extras = {"reward_spec": {"method": "rule", "ground_truth": "4"}, "max_turns": 1}
    for reply, value in REPLIES.items():
        environment = gym.make("promptcot", env_config={}, extras=extras)
        assert environment.init([{"role": "user", "content": "Q"}])[0]
        assert environment.step(reply)["reward"] == value


def test_verifiers_scores_a_trace(tmp_path: Path) -> None:
    vf = pytest.importorskip("verifiers.v1")
    from verifiers.v1.trace import AgentInfo, TraceTask

    from promptcot.rewards.verifiers import PromptCoTConfig, PromptCoTTaskset

    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps({"prompt": "Q", "answer": "4"}) + "\n")
    [task] = PromptCoTTaskset(PromptCoTConfig(path=str(file), task={"reward": {"limit": 2}}))
    assert asyncio.run(task.validate(None))
    for reply, value in REPLIES.items():
        about = TraceTask(type="PromptCoTTask", data=task.data, key=task.key, hash=task.hash)
        trace = vf.Trace(task=about, agent=AgentInfo.model_construct(), root_reply=reply)
        asyncio.run(task.score(trace))
        assert trace.rewards["correct"].score == value
        assert sum(trace.metrics.values()) == 1
