"""Opens the engine for a server at an address, and asks the server for its model if none is named."""

from __future__ import annotations

import os
from collections.abc import Sequence

from promptcot import nano
from promptcot.engines.openai.diagnosis import Sight, advice, key_hint, look, shown_models
from promptcot.engines.openai.engine import OpenAIEngine
from promptcot.engines.openai.transport import Transport
from promptcot.engines.opening import Site
from promptcot.errors import InputError
from promptcot.recipe.schema import Served

_NOBODY = "Is the server running, and is the address right? `promptcot doctor --base-url URL` looks into it"
_WAY_OUT = "Name the model: --model-path for one step, --model for a run"
_NOT_EMBEDDED = (
    "That is a model that ships with promptcot and runs in this process. Name a model of the server: --model-path for "
    "one step, --set generate.model=NAME for a step of a recipe; or take a recipe that names none, such as `endpoint`"
)


async def open_engine(spec: Served, role: str, site: Site) -> OpenAIEngine:
    """The engine for the servers of `base_url`. Raises InputError if the model has to be named."""
    return OpenAIEngine(await _served_name(spec), spec)


async def _served_name(spec: Served) -> str:
    """The model to request from a server: the named one, otherwise the only one it has. Raises InputError.

    The names of embedded models mean nothing to a server, unless it lists them.
    """
    if not nano.is_nano(spec.model):
        return spec.model
    key = os.environ.get(spec.api_key_env, "").strip()
    transport = Transport(spec.base_url[:1], key)
    try:
        sight = await look(transport.get, spec.base_url[0])
        hint = None if sight.models is not None else await advice(transport.get, spec.base_url[0], spec.model)
    finally:
        await transport.close()
    if (name := name_for(spec, sight.models or ())) is not None:
        return name
    if sight.status in (401, 403):
        raise InputError(f"{hint}\n{key_hint(spec.api_key_env, key)}")
    way_out = _NOBODY if sight.status is None else _WAY_OUT if spec.unnamed else _NOT_EMBEDDED
    raise InputError(f"{hint or _has(sight, spec)}\n{way_out}")


def name_for(spec: Served, listed: Sequence[str]) -> str | None:
    """The matching model among those that a server lists; None if it has to be named."""
    if spec.model in listed:
        return spec.model
    return listed[0] if spec.unnamed and len(listed) == 1 else None


def _has(sight: Sight, spec: Served) -> str:
    if not spec.unnamed:
        return f"{sight.url} has no model {spec.model!r}; it lists {shown_models(sight.models or ())}"
    if not sight.models:
        return f"{sight.url} does not say which models it has: its list of them is empty"
    return f"{sight.url} has several models: {shown_models(sight.models)}"
