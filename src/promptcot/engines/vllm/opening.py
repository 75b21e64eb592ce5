"""Opens the engine of a vLLM server that we start at the first call."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from promptcot import nano
from promptcot.engines.model_files import folder_on_disk, journaled_name
from promptcot.engines.openai.engine import OpenAIEngine, OwnServers, variant
from promptcot.engines.opening import Listen, Site, gives_vectors
from promptcot.engines.vllm.engine import VllmEngine
from promptcot.engines.vllm.options import Purpose, ServerOptions
from promptcot.engines.vllm.server import Launch, VllmServer, place
from promptcot.engines.weights import adapter_fault, check_weights
from promptcot.errors import EngineUnusable
from promptcot.recipe.schema import Served


def open_engine(spec: Served, role: str, site: Site) -> VllmEngine:
    """The engine over the replicas that the site places."""
    options = _options(spec, role)
    log = site.directory / f"vllm-{_in_file_names(options.served_name)}-{site.number}.log"
    server = VllmServer(options, site.placement or place(options, spec.n_gpus), Launch(log, say=site.say))

    def connect(urls: Sequence[str]) -> OpenAIEngine:
        own = OwnServers(options.served_name)
        return OpenAIEngine(
            options.served_name, spec.model_copy(update={"base_url": list(urls), "api_key_env": ""}), own
        )

    return VllmEngine(server, _journaled(spec, options) + variant(spec.extra_body, spec.omit), connect)


def open_server(spec: Served, role: str, listen: Listen) -> VllmServer:
    """A server for others on the cluster, on all visible GPUs."""
    options = replace(_options(spec, role), served_name=listen.name, host=listen.host, group=listen.group)
    launch = Launch(listen.logs / f"vllm-{_in_file_names(options.served_name)}.log", key=listen.key, ports=listen.ports)
    return VllmServer(options, place(options, None), launch)


def _options(spec: Served, role: str) -> ServerOptions:
    model = nano.resolve(spec.model, role)
    purpose: Purpose = "embed" if gives_vectors(spec, role) else "complete"
    extra = tuple(spec.engine_args)
    options = ServerOptions(str(model), served_name(model), spec.tokenizer, spec.dtype, purpose, extra)
    _check_weights(options)
    return options


def _check_weights(options: ServerOptions) -> None:
    """Raises EngineUnusable if local weights are not in safetensors: vLLM would report that only after a minute."""
    folder = folder_on_disk(options.model)
    if folder is not None and not options.loads_nothing:
        check_weights(folder)
    for adapter in options.adapters:
        if fault := adapter_fault(adapter):
            raise EngineUnusable(": ".join(fault), "weights")


def served_name(model: str | Path) -> str:
    """The server's name for its model."""
    folder = Path(model)
    return folder.resolve().name if folder.is_dir() else str(model)


def _journaled(spec: Served, options: ServerOptions) -> str:
    folder, tokenizer = Path(options.model), Path(spec.tokenizer) if spec.tokenizer else None
    return journaled_name(folder, tokenizer) if folder.is_dir() else options.served_name


def _in_file_names(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)
