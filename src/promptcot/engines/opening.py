"""From the name of a model to an engine that answers for it; each distinct model is loaded once.

Decides which engine serves a model and what `nano` stands for. Heavy libraries are imported when an engine is opened.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from promptcot.engines.protocol import Engine
from promptcot.recipe import Encode, Model

Spec = Model | Encode


class Engines:
    """The engines of a run. Close them when it ends."""

    def __init__(self) -> None:
        self._opened: dict[tuple[object, ...], Engine] = {}

    def open(self, spec: Spec, role: str) -> Engine:
        """The engine for a model; `nano` alone is the embedded model of `role`. Raises InputError, EngineUnusable."""
        path = model_folder(spec.model, role)
        key = (path, spec.tokenizer, spec.dtype)
        if key not in self._opened:
            from promptcot.engines.local import LocalEngine

            self._opened[key] = LocalEngine(path, tokenizer_path=spec.tokenizer, dtype=spec.dtype)
        return self._opened[key]

    async def close(self) -> None:
        """Let go of all models."""
        for engine in self._opened.values():
            await engine.close()
        self._opened.clear()


EngineOpener = Callable[[Spec, str], Engine]


def judge_role(name: str) -> str:
    """The embedded judge that `nano` means for a judge of this name: the one so called, or else the first."""
    from promptcot import nano

    return next((role for role in (name, f"judge-{name}") if role in nano.ROLES), "judge-a")


def model_folder(model: str, role: str) -> str | Path:
    """Where a model's weights lie: `nano` and `nano:ROLE` ship with the package, anything else is a path."""
    if model != "nano" and not model.startswith("nano:"):
        return model
    from promptcot import nano

    return nano.path(model.removeprefix("nano").removeprefix(":") or role)
