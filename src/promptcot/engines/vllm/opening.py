"""Opens the engine of a vLLM server of our own, which starts with the first call that needs it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from promptcot import nano
from promptcot.engines.model_files import journaled_name
from promptcot.engines.openai.engine import OpenAIEngine, variant
from promptcot.engines.opening import Site
from promptcot.engines.vllm.engine import VllmEngine
from promptcot.engines.vllm.options import Purpose, ServerOptions
from promptcot.engines.vllm.server import Launch, VllmServer, place
from promptcot.recipe.schema import Encode, Served

_OF_ITS_OWN = 1024
"""Calls at a time from the start: a server of our own queues by itself, and is not shared."""


def open_engine(spec: Served, role: str, site: Site) -> VllmEngine:
    """The engine over as many copies of the server as the site places."""
    model = nano.resolve(spec.model, role)
    folder = Path(model)
    name = folder.resolve().name if folder.is_dir() else str(model)
    tokenizer = Path(spec.tokenizer) if spec.tokenizer else None
    purpose: Purpose = "embed" if isinstance(spec, Encode) else "complete"
    options = ServerOptions(str(model), name, spec.tokenizer, spec.dtype, purpose, tuple(spec.engine_args))
    log = site.directory / f"vllm-{re.sub(r'[^A-Za-z0-9._-]+', '-', name)}-{site.number}.log"
    server = VllmServer(options, site.placement or place(options, spec.n_gpus), Launch(log))
    journaled = journaled_name(folder, tokenizer) if folder.is_dir() else name

    def connect(urls: Sequence[str]) -> OpenAIEngine:
        limits = {"api_key_env": "", "requests_per_minute": None, "tokens_per_minute": None}
        return OpenAIEngine(name, spec.model_copy(update={"base_url": list(urls), **limits}), first=_OF_ITS_OWN)

    return VllmEngine(server, journaled + variant(spec.extra_body, spec.omit), connect)
