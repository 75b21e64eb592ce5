"""Loads a tokenizer that follows its own files, whichever class transformers chooses for it.

transformers 5 rebuilds the tokenizers of some classes and ignores part of their files. `LlamaTokenizer` splits
byte-level vocabularies as SentencePiece does; DeepSeek's tokenizers, which name that class, then lose every space
(huggingface/transformers issue 45488). `add_bos_token` is ignored if there is a `tokenizer.json`, so texts of the R1
models lack their start token. Both are fixed here, for training and inference alike.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import transformers
from tokenizers import Tokenizer
from transformers.utils import cached_file

from promptcot.engines.model_files import read_json

_PROBE = "What is 1 + 1?\n\n It's 22: naïve\tx_1.\n"
"""Words, spaces, digits, accents: tokenizers that split texts differently give different tokens for it."""


def load(name: str | Path, **given: Any) -> Any:
    """The tokenizer of a folder or of a name on the Hub; `given` are arguments of `from_pretrained`.

    Raises OSError, ValueError and other errors of transformers.
    """
    tokenizer = transformers.AutoTokenizer.from_pretrained(name, trust_remote_code=False, **given)
    written = _file(name, "tokenizer.json", given)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if written is None or backend is None:
        return tokenizer
    if _read(backend) != _read(Tokenizer.from_file(str(written))):
        tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(name, trust_remote_code=False, **given)
    settings = _file(name, "tokenizer_config.json", given)
    own_settings = None if settings is None else read_json(settings)
    if isinstance(own_settings, dict) and own_settings.get("add_bos_token") is True:
        _begin(tokenizer)
    return tokenizer


def _file(name: str | Path, file: str, given: Any) -> Path | None:
    where = {key: given[key] for key in ("revision", "local_files_only") if given.get(key) is not None}
    quiet = {"_raise_exceptions_for_missing_entries": False, "_raise_exceptions_for_connection_errors": False}
    path = cached_file(name, file, **quiet, **where)
    return None if path is None else Path(path)


def _read(backend: Any) -> list[int]:
    ids: list[int] = backend.encode(_PROBE, add_special_tokens=False).ids
    return ids


def _begin(tokenizer: Any) -> None:
    """Make texts begin with the start token, if there is one and they do not yet."""
    start = tokenizer.bos_token_id
    if start is not None and tokenizer("a").input_ids[:1] != [start]:
        tokenizer.add_bos_token = True
