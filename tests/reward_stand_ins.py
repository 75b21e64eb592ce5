"""Stand-ins for the base classes of the reward adapters, for tests and benchmarks without the frameworks.

The forms are those of the versions that docs/rewards.md names: which class, which fields, which arguments. A framework
that is installed is tested by itself (tests/integration/test_reward_packages.py).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any, Generic, NamedTuple, TypedDict, TypeVar

from pydantic import BaseModel, ConfigDict

A, B, C = TypeVar("A"), TypeVar("B"), TypeVar("C")


class EnvironmentReturn(NamedTuple, Generic[A]):
    """NeMo RL: everything is a batch."""

    observations: list[dict[str, str]]
    metadata: list[A]
    next_stop_strings: list[Any]
    rewards: Any
    terminateds: Any
    answers: list[str | None] | None


class EnvironmentInterface(Generic[A]):
    """NeMo RL."""


def remote(**options: Any) -> Any:
    """Ray's decorator with options."""
    return lambda found: found


class BaseResourcesServerConfig(BaseModel):
    """NeMo Gym."""


class NeMoGymResponse(BaseModel):
    """NeMo Gym: as in OpenAI's Responses."""

    output: list[Any]
    status: str | None = None


class BaseVerifyRequest(BaseModel):
    """NeMo Gym."""

    responses_create_params: dict[str, Any]
    response: NeMoGymResponse


class BaseVerifyResponse(BaseVerifyRequest):
    """NeMo Gym."""

    reward: float


class SimpleResourcesServer(BaseModel):
    """NeMo Gym."""


class BaseTextEnvStepOutput(TypedDict):
    """SkyRL."""

    observations: list[Any]
    reward: float
    done: bool
    metadata: dict[str, Any]


class BaseTextEnv:
    """SkyRL."""


class TaskData(BaseModel):
    """verifiers."""

    model_config = ConfigDict(frozen=True)
    idx: int | None = None
    prompt: Any = None


class TaskConfig(BaseModel):
    """verifiers."""


class TasksetConfig(BaseModel):
    """verifiers."""

    task: TaskConfig = TaskConfig()


class Task(Generic[A, B, C]):
    """verifiers."""

    def __init__(self, data: Any, config: Any) -> None:
        self.data, self.config = data, config


class Taskset(Generic[A, B]):
    """verifiers."""

    def __init__(self, config: Any) -> None:
        self.config = config


def reward(function: A) -> A:
    """The decorator of verifiers."""
    return function


_MODULES: dict[str, dict[str, Any]] = {
    "ray": {"remote": remote},
    "nemo_rl": {},
    "nemo_rl.environments": {},
    "nemo_rl.environments.interfaces": {
        "EnvironmentInterface": EnvironmentInterface,
        "EnvironmentReturn": EnvironmentReturn,
    },
    "nemo_rl.environments.utils": {"register_env": lambda env_name, actor_class_fqn: None},
    "nemo_rl.distributed": {},
    "nemo_rl.distributed.ray_actor_environment_registry": {"ACTOR_ENVIRONMENT_REGISTRY": {}},
    "nemo_rl.distributed.virtual_cluster": {"PY_EXECUTABLES": SimpleNamespace(SYSTEM="python")},
    "nemo_gym": {},
    "nemo_gym.base_resources_server": {
        one.__name__: one
        for one in (BaseResourcesServerConfig, BaseVerifyRequest, BaseVerifyResponse, SimpleResourcesServer)
    },
    "skyrl_gym": {},
    "skyrl_gym.envs": {},
    "skyrl_gym.envs.base_text_env": {
        "BaseTextEnv": BaseTextEnv,
        "BaseTextEnvStepOutput": BaseTextEnvStepOutput,
    },
    "skyrl_gym.envs.registration": {"register": lambda id, entry_point, kwargs: None},
    "verifiers": {},
    "verifiers.v1": {
        **{one.__name__: one for one in (TaskData, TaskConfig, TasksetConfig, Task, Taskset)},
        **{"reward": reward, "State": object, "Trace": object, "Runtime": object},
    },
}
_ADAPTERS = [f"promptcot.rewards.{name}" for name in ("nemo_rl", "nemo_gym", "skyrl", "verifiers")]


@contextmanager
def stand_ins() -> Iterator[None]:
    """In the block, the adapters that derive from a framework's classes derive from these."""
    before = {name: sys.modules.pop(name) for name in (*_MODULES, *_ADAPTERS) if name in sys.modules}
    for name, content in _MODULES.items():
        sys.modules[name] = module = ModuleType(name)
        vars(module).update(content)
        parent, _, last = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], last, module)
    try:
        yield
    finally:  # what was imported besides stays: torch cannot be imported twice
        for name in (*_MODULES, *_ADAPTERS):
            sys.modules.pop(name, None)
        sys.modules.update(before)
