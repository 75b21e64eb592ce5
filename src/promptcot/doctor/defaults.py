"""A server's default sampling settings, for those that neither the request nor the recipe sets.

Only llama.cpp reports them, at `/props`. vLLM and SGLang use the model's `generation_config.json`, which is read if the
model is also on this machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from promptcot.doctor.findings import Finding, note
from promptcot.doctor.models import Asked
from promptcot.engines.model_files import folder_on_disk, read_json
from promptcot.engines.openai.diagnosis import Get, Sight, read_object
from promptcot.recipe.addresses import below, server_root
from promptcot.recipe.schema import Model

_SETS_NOTHING = {"top_k": (0, -1), "min_p": (0,), "presence_penalty": (0,)}
"""Fields that are sent only if a recipe sets them, and their neutral values."""


async def look_at_defaults(get: Get, sight: Sight, name: str, asked: Asked) -> list[Finding]:
    """Find the server's own values that apply where the recipe sets none."""
    props = await read_object(get, below(server_root(sight.url), "/props"))
    if isinstance(settings := (props or {}).get("default_generation_settings"), Mapping):
        params = settings.get("params")
        defaults = params if isinstance(params, Mapping) else settings
        return [*_open(sight.url, defaults, asked), *_renamed(defaults, asked)]
    root = sight.roots.get(name, name)
    folder = folder_on_disk(root) if sight.models is not None else None
    found = read_json(folder / "generation_config.json") if folder is not None else None
    where = f"{sight.url} (by {folder}/generation_config.json, unless it was started with --generation-config vllm)"
    return list(_open(where, found, asked)) if isinstance(found, Mapping) else []


def _open(where: str, defaults: Mapping[str, Any], asked: Asked) -> Iterator[Finding]:
    """A note on settings that a step leaves to the server, if the server's value is not neutral."""
    values = {
        key: defaults[key]
        for key, neutral in _SETS_NOTHING.items()
        if _other(defaults.get(key), neutral) and any(_leaves_open(model, key) for model in asked.models)
    }
    if not values:
        return
    shown = ", ".join(f"{key} = {value:g}" for key, value in values.items())
    without = ", ".join(f"{key} = {_SETS_NOTHING[key][-1]}" for key in values)
    yield note(
        f"unless a call sets it, {where} samples with {shown}",
        f"set the sampling of the step explicitly: {shown} keeps this, extra_body = {{ {without} }} turns it off",
    )


def _leaves_open(model: Model, key: str) -> bool:
    return getattr(model, key) is None and key not in model.extra_body


def _other(value: object, neutral: tuple[int, ...]) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value not in neutral


def _renamed(defaults: Mapping[str, Any], asked: Asked) -> Iterator[Finding]:
    """llama.cpp's own name for the repetition penalty, since it ignores ours."""
    there = defaults.get("repeat_penalty")
    wanted = {model.repetition_penalty for model in asked.models if "repeat_penalty" not in model.extra_body}
    if isinstance(there, int | float) and (other := sorted(wanted - {there})):
        yield note(
            f"llama.cpp samples with repeat_penalty = {there:g}, and ignores repetition_penalty = {other[0]:g}",
            f"extra_body = {{ repeat_penalty = {other[0]:g} }}",
        )
