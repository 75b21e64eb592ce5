"""Opens the local engine: a model in this process, loaded by its first call."""

from __future__ import annotations

from pathlib import Path

from promptcot import nano
from promptcot.engines.lazy import LazyEngine
from promptcot.engines.machine import visible_gpus
from promptcot.engines.model_files import is_sentence_model, journaled_name
from promptcot.engines.opening import Site, local_folder
from promptcot.engines.protocol import Engine
from promptcot.engines.vllm.placement import take
from promptcot.errors import InputError
from promptcot.recipe.schema import Served


def open_engine(spec: Served, role: str, site: Site) -> LazyEngine:
    """The engine of a folder or of a snapshot in the local Hub cache. Raises InputError."""
    if spec.n_gpus and len(take(spec.n_gpus, visible_gpus())) > 1:
        raise InputError(
            f"--n_gpus {spec.n_gpus}: the local engine uses one GPU; several need vLLM "
            "(pip install 'promptcot[vllm]', then --engine vllm)"
        )
    folder = local_folder(spec.model, role)
    name = journaled_name(folder, Path(spec.tokenizer) if spec.tokenizer else None)

    shown = f"{nano.NAME}:{role}" if spec.model == nano.NAME else spec.model

    def load() -> Engine:
        site.say(f"loading {shown}")
        if is_sentence_model(folder):
            from promptcot.engines.local.sentences import SentenceEngine

            return SentenceEngine(folder, name)
        from promptcot.engines.local.engine import LocalEngine

        return LocalEngine(folder, tokenizer_path=spec.tokenizer, dtype=spec.dtype)

    return LazyEngine(name, load)
