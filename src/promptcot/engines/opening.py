"""From the name of a model to an engine that answers for it; each distinct model is opened once.

Decides which engine serves a model, what `nano` stands for, and where servers of our own run when there are several.
Heavy libraries are imported when an engine is opened; a vLLM server starts when it is first asked.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Literal

from promptcot.engines.machine import visible_gpus
from promptcot.engines.protocol import Engine
from promptcot.engines.vllm.placement import Placement, take, together, together_on_cpu
from promptcot.errors import InputError
from promptcot.recipe.schema import Encode, Served

Kind = Literal["openai", "vllm", "local"]
TEXTS_AT_ONCE = 32
_KV_SPACE = 2 << 30


def kind_of(spec: Served) -> Kind:
    """Which engine serves a model."""
    if spec.base_url:
        return "openai"
    if spec.engine == "vllm" or spec.engine == "local":
        return spec.engine
    if not _is_nano(spec.model) and importlib.util.find_spec("vllm") is not None and visible_gpus():
        return "vllm"
    return "local"


def texts_at_once(spec: Served) -> int | None:
    """How many texts an engine embeds in one call that may fail; None where this process embeds them, as it likes."""
    return None if kind_of(spec) == "local" else TEXTS_AT_ONCE


class Engines:
    """The engines of a run. Servers write their logs into `directory`. Close them when the run ends."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._opened: dict[str, Engine] = {}
        self._placements: dict[str, Placement] = {}

    async def open(self, spec: Served, role: str) -> Engine:
        """The engine for a model; `nano` alone is the embedded model of `role`. Raises InputError, EngineUnusable."""
        key = _key(spec, role)
        if key not in self._opened:
            kind = kind_of(spec)
            if kind == "openai":
                self._opened[key] = await _open_http(spec)
            elif kind == "vllm":
                self._opened[key] = self._open_vllm(spec, role, key)
            else:
                self._opened[key] = _open_local(spec, role)
        return self._opened[key]

    def place(self, specs: Sequence[tuple[Served, str]]) -> bool:
        """Give the vLLM servers of a run GPUs of their own; False if they do not fit and have to take turns."""
        from promptcot.engines.vllm.server import need_of

        distinct = {_key(spec, role): (spec, role) for spec, role in specs if kind_of(spec) == "vllm"}
        if len(distinct) < 2:
            return True
        needs = [need_of(model_folder(spec.model, role), spec.model) for spec, role in distinct.values()]
        gpus = take(max(spec.n_gpus for spec, _ in distinct.values()), visible_gpus())
        found = together(needs, gpus) if gpus else together_on_cpu(needs, _KV_SPACE, _memory())
        self._placements = dict(zip(distinct, found, strict=True)) if found else {}
        return found is not None

    def _open_vllm(self, spec: Served, role: str, key: str) -> Engine:
        from promptcot.engines.model_files import journaled_name
        from promptcot.engines.openai.engine import OpenAIEngine, variant
        from promptcot.engines.vllm.engine import VllmEngine
        from promptcot.engines.vllm.server import VllmServer

        model = model_folder(spec.model, role)
        folder = Path(model)
        name = folder.resolve().name if folder.is_dir() else str(model)
        tokenizer = Path(spec.tokenizer) if spec.tokenizer else None
        server = VllmServer(
            model,
            name,
            log=self._directory / f"vllm-{re.sub(r'[^A-Za-z0-9._-]+', '-', name)}-{len(self._opened)}.log",
            tokenizer=tokenizer,
            dtype=spec.dtype,
            n_gpus=spec.n_gpus,
            placement=self._placements.get(key),
            extra=spec.engine_args,
            purpose="embed" if isinstance(spec, Encode) else "complete",
        )
        journaled = journaled_name(folder, tokenizer) if folder.is_dir() else name

        def connect(urls: Sequence[str]) -> OpenAIEngine:
            return OpenAIEngine(
                name,
                urls,
                api_key_env=None,
                idle_timeout=spec.idle_timeout,
                omit=spec.omit,
                extra_body=spec.extra_body,
                first=1024,  # a server of our own queues by itself, and is not shared
            )

        return VllmEngine(server, journaled + variant(spec.extra_body, spec.omit), connect)

    async def close(self) -> None:
        """Let go of all models."""
        async with AsyncExitStack() as stack:  # also the others, where closing one fails
            for engine in self._opened.values():
                stack.push_async_callback(engine.close)
            self._opened = {}


EngineOpener = Callable[[Served, str], Awaitable[Engine]]


async def _open_http(spec: Served) -> Engine:
    from promptcot.engines.openai.engine import OpenAIEngine

    return OpenAIEngine(
        await _served_name(spec),
        spec.base_url,
        api_key_env=spec.api_key_env,
        idle_timeout=spec.idle_timeout,
        requests_per_minute=spec.requests_per_minute,
        tokens_per_minute=spec.tokens_per_minute,
        omit=spec.omit,
        extra_body=spec.extra_body,
    )


async def _served_name(spec: Served) -> str:
    """The model to ask a server for: the one that is named, else the only one it has. Raises InputError."""
    if spec.model != Served().model:
        return spec.model
    from promptcot.engines.openai.diagnosis import advice, look
    from promptcot.engines.openai.transport import Transport

    transport = Transport(spec.base_url[:1], os.environ.get(spec.api_key_env))
    try:
        sight = await look(transport.session, spec.base_url[0])
        hint = None if sight.models is not None else await advice(transport.session, spec.base_url[0], spec.model)
    finally:
        await transport.close()
    if sight.models and (len(sight.models) == 1 or spec.model in sight.models):
        return sight.models[0] if len(sight.models) == 1 else spec.model
    listed = hint or f"{spec.base_url[0]} has several models: {', '.join(sight.models or ()) or 'none'}"
    raise InputError(f"{listed}\nName the model to ask: --model-path for one step, --model for a run")


def _open_local(spec: Served, role: str) -> Engine:
    from promptcot.engines.lazy import LazyEngine
    from promptcot.engines.local.engine import LocalEngine
    from promptcot.engines.model_files import journaled_name

    if spec.n_gpus and len(take(spec.n_gpus, visible_gpus())) > 1:
        raise InputError(
            f"--n_gpus {spec.n_gpus}: the local engine uses one GPU; several need vLLM "
            "(pip install 'promptcot[vllm]', then --engine vllm)"
        )
    folder = local_folder(spec.model, role)
    name = journaled_name(folder, Path(spec.tokenizer) if spec.tokenizer else None)
    return LazyEngine(name, lambda: LocalEngine(folder, tokenizer_path=spec.tokenizer, dtype=spec.dtype))


def _key(spec: Served, role: str) -> str:
    """What distinguishes one opened model from another: all that is not about drawing tokens."""
    purpose = "embed" if isinstance(spec, Encode) and kind_of(spec) == "vllm" else ""
    shared = spec.model_dump_json(include=set(Served.model_fields) - {"price"})
    return f"{purpose} {model_folder(spec.model, role)} {shared}"


def judge_role(name: str) -> str:
    """The embedded judge that `nano` means for a judge of this name: the one so called, or else the first."""
    from promptcot import nano

    judges = [role for role in nano.ROLES if role.startswith("judge-")]
    return next((role for role in (name, f"judge-{name}") if role in judges), "judge-a")


def model_folder(model: str, role: str) -> str | Path:
    """Where a model's weights lie: `nano` and `nano:ROLE` ship with the package, anything else is a path or a name."""
    if not _is_nano(model):
        return model
    from promptcot import nano

    return nano.path(model.removeprefix("nano").removeprefix(":") or role)


def local_folder(model: str, role: str) -> Path:
    """The folder of a model that this process runs: its own, or its snapshot in the local Hub cache.

    Raises InputError.
    """
    from promptcot.engines.model_files import model_folder as on_this_machine

    if (found := on_this_machine(model_folder(model, role))) is not None:
        return found
    raise InputError(
        f"{model}: no such model folder, and no such model in the local Hub cache. `hf download {model}` fetches a "
        "model of the Hub; `nano` is the embedded one; --base-url asks a server"
    )


def _is_nano(model: str) -> bool:
    return model == "nano" or model.startswith("nano:")


def _memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
