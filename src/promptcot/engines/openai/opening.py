"""Opens the engine for a server at an address, and finds out which model it has where none is named."""

from __future__ import annotations

import os

from promptcot.engines.openai.diagnosis import advice, look
from promptcot.engines.openai.engine import OpenAIEngine
from promptcot.engines.openai.transport import Transport
from promptcot.engines.opening import Site
from promptcot.errors import InputError
from promptcot.recipe.schema import Served


async def open_engine(spec: Served, role: str, site: Site) -> OpenAIEngine:
    """The engine for the servers of `base_url`. Raises InputError where the model has to be named."""
    return OpenAIEngine(await _served_name(spec), spec)


async def _served_name(spec: Served) -> str:
    """The model to ask a server for: the one that is named, else the only one it has. Raises InputError."""
    if spec.model != Served().model:
        return spec.model
    transport = Transport(spec.base_url[:1], os.environ.get(spec.api_key_env))
    try:
        sight = await look(transport.get, spec.base_url[0])
        hint = None if sight.models is not None else await advice(transport.get, spec.base_url[0], spec.model)
    finally:
        await transport.close()
    if sight.models and (len(sight.models) == 1 or spec.model in sight.models):
        return sight.models[0] if len(sight.models) == 1 else spec.model
    listed = hint or f"{spec.base_url[0]} has several models: {', '.join(sight.models or ()) or 'none'}"
    raise InputError(f"{listed}\nName the model to ask: --model-path for one step, --model for a run")
