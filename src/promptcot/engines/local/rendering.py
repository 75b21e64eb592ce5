"""Renders a chat with a model's template, to preview prompts before any call.

Looks for the tokenizer on this machine only, and loads no model. A run renders with the same code, in `model`.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from promptcot import nano
from promptcot.engines.model_files import folder_on_disk
from promptcot.errors import EngineUnusable
from promptcot.recipe.schema import Served
from promptcot.records import Request

if TYPE_CHECKING:
    from promptcot.engines.local.model import TextCodec


def tokenizer_folder(model: Served, role: str) -> Path | None:
    """The folder of a model's tokenizer on this machine; None if unknown or missing. Raises InputError for an unknown
    embedded model.
    """
    if model.tokenizer is None and model.unnamed:
        return None
    return folder_on_disk(model.tokenizer or nano.resolve(model.model, role))


def rendered(model: Served, role: str, request: Request) -> str | None:
    """The text of a chat as the model's template renders it; None if no tokenizer can be loaded.

    Raises EngineUnusable if there is no template, RequestRefused if it rejects these messages.
    """
    folder = tokenizer_folder(model, role)
    codec = _codec(folder.resolve()) if folder is not None else None
    return codec.chat_text(request) if codec is not None else None


@lru_cache(maxsize=8)
def _codec(folder: Path) -> TextCodec | None:
    try:
        from promptcot.engines.local.model import TextCodec, load_tokenizer

        return TextCodec(load_tokenizer(folder), folder)
    except (ImportError, EngineUnusable):
        return None
