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
from promptcot.engines.vllm.server import VllmServer
from promptcot.recipe.schema import Encode, Served

_OF_ITS_OWN = 1024
"""Calls at a time from the start: a server of our own queues by itself, and is not shared."""


def open_engine(spec: Served, role: str, site: Site) -> VllmEngine:
    """The engine over as many copies of the server as the site places."""
    model = nano.resolve(spec.model, role)
    folder = Path(model)
    name = folder.resolve().name if folder.is_dir() else str(model)
    tokenizer = Path(spec.tokenizer) if spec.tokenizer else None
    server = VllmServer(
        model,
        name,
        log=site.directory / f"vllm-{re.sub(r'[^A-Za-z0-9._-]+', '-', name)}-{site.number}.log",
        tokenizer=tokenizer,
        dtype=spec.dtype,
        n_gpus=spec.n_gpus,
        placement=site.placement,
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
            first=_OF_ITS_OWN,
        )

    return VllmEngine(server, journaled + variant(spec.extra_body, spec.omit), connect)
