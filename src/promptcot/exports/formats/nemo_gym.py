"""Tasks for NeMo Gym: a request of OpenAI's Responses API, and the fields that its server verifies with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from promptcot.exports.examples import Example
from promptcot.exports.formats.flat import Flat, prompted, turns
from promptcot.exports.formats.format import MESSAGES, Schema, Source
from promptcot.exports.formats.loading import Loaded, by_lines
from promptcot.records import Row

_AGENT: Mapping[str, str] = {"type": "responses_api_agents", "name": "simple_agent"}


class NeMoGym(Flat):
    """`responses_create_params`, `expected_answer`, and `agent_ref`: the agent that answers unless a run names
    another."""

    name = "nemo-gym"
    kind = "rl"
    also = ("gym", "nvidia-gym")
    suffix = ".jsonl"
    one_file = True
    source = Source(
        "NeMo Gym",
        "NVIDIA-NeMo/Gym 07d6b0d0, 2026-08-22 (0.5.1)",
        (
            "nemo_gym/rollout_collection.py",
            "nemo_gym/base_resources_server.py",
            "resources_servers/math_with_judge/data/example.jsonl",
        ),
    )
    taken = frozenset({"answer", "problem", "response", "reward", "rollout_id", "skills_ref"})

    def columns(self) -> Schema:
        return {
            "responses_create_params": {"input": MESSAGES},
            "expected_answer": "string",
            "question": "string",
            "agent_ref": dict.fromkeys(_AGENT, "string"),
        }

    def values(self, example: Example) -> Row:
        return {
            "responses_create_params": {"input": turns(example.messages)},
            "expected_answer": example.answer,
            "question": example.problem,
            "agent_ref": dict(_AGENT),
        }

    def parts(self, row: Row) -> dict[str, Any]:
        asked = prompted(row["responses_create_params"]["input"])
        return {**asked, "answer": row["expected_answer"], "problem": row["question"]}

    def gold(self, row: Row) -> Any:
        return row["expected_answer"]

    def load(self, files: Sequence[Path]) -> Loaded:
        """NeMo Gym and NeMo RL read the lines themselves."""
        return by_lines(files)
