"""Reads facts about a model from its files, without loading it: size, configuration, chat template, tokens,
fingerprint.

They are available before any engine is opened. Needs neither torch nor transformers, and never uses the network: a Hub
name is looked up in the local Hub cache only.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptcot.storage.json import loads
from promptcot.storage.paths import expanded

_READ_WHOLLY = 100 << 20
_SLICE = 1 << 16
_SLICES = 256
_SETTLES_REPLIES = ("config.json", "generation_config.json", "*token*", "vocab*", "merges.txt", "chat_template*")
_INDEX = "model.safetensors.index.json"
_SIZE_IN_NAME = re.compile(r"(?<![a-z0-9.])(?:(\d+)x)?(\d+(?:\.\d+)?)b(?![a-z0-9])", re.IGNORECASE)
_BYTES_PER_WEIGHT = 2


@dataclass(frozen=True, slots=True)
class WeightsSize:
    """The size of the weights in bytes, read from its files or `guessed` from its name at two bytes per weight."""

    bytes: int
    guessed: bool


def weights_bytes(model: str | Path) -> WeightsSize | None:
    """The size of a model in a folder or in the local Hub cache, else a guess from a name like `Llama-3.1-8B`."""
    folder = folder_on_disk(model)
    stored = _stored_bytes(folder) if folder is not None else None
    return WeightsSize(stored, guessed=False) if stored else _guessed(str(model))


def config_of(model: str | Path) -> dict[str, Any] | None:
    """The configuration (`config.json`) of a model in a folder or in the local Hub cache; None if it is not there."""
    folder = folder_on_disk(model)
    config = read_json(folder / "config.json") if folder is not None else None
    return config if isinstance(config, dict) else None


def folder_on_disk(model: str | Path) -> Path | None:
    """The location of a model on this machine: its own folder, or its snapshot in the local Hub cache."""
    folder = expanded(model)
    if os.path.isdir(folder):
        return folder
    try:
        from huggingface_hub import try_to_load_from_cache
        from huggingface_hub.errors import HFValidationError
    except ImportError:
        return None
    try:
        cached = try_to_load_from_cache(str(model), "config.json")
    except HFValidationError:
        return None
    return Path(cached).parent if isinstance(cached, str) else None


def _stored_bytes(folder: Path) -> int | None:
    """Bytes of all weights. The index is preferred: a large model may be only partly downloaded."""
    index = read_json(folder / _INDEX)
    total = index.get("metadata", {}).get("total_size") if isinstance(index, dict) else None
    if isinstance(total, int | float):
        return int(total)
    return sum(path.stat().st_size for path in folder.glob("*.safetensors")) or None


def read_json(path: Path) -> Any:
    """The content of a model's file; None if it cannot be read."""
    try:
        return loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def is_sentence_model(folder: Path) -> bool:
    """Whether a folder is a sentence-transformers model: its states are pooled to a vector of the text."""
    return (folder / "modules.json").is_file()


def has_chat_template(folder: Path) -> bool:
    """Whether a folder holds a chat template, in any of its three possible places."""
    settings = [read_json(folder / name) for name in ("tokenizer_config.json", "chat_template.json")]
    told = any(isinstance(found, dict) and found.get("chat_template") for found in settings)
    return told or (folder / "chat_template.jinja").is_file()


def special_tokens(folder: Path) -> set[str]:
    """The tokens that the tokenizer in a folder has in addition to its vocabulary, such as those that mark turns."""
    added = [read_json(folder / "tokenizer.json"), read_json(folder / "added_tokens.json")]
    settings = read_json(folder / "tokenizer_config.json")
    known = [one.get("content") for one in _of(added[0], "added_tokens", list) if isinstance(one, dict)]
    known += [
        one.get("content") for one in _of(settings, "added_tokens_decoder", dict).values() if isinstance(one, dict)
    ]
    return {text for text in (*known, *(added[1] if isinstance(added[1], dict) else ())) if isinstance(text, str)}


def _of(table: Any, name: str, kind: type) -> Any:
    found = table.get(name) if isinstance(table, dict) else None
    return found if isinstance(found, kind) else kind()


def _guessed(name: str) -> WeightsSize | None:
    sizes = _SIZE_IN_NAME.findall(Path(name).name)
    if not sizes:
        return None
    experts, billions = sizes[0]
    return WeightsSize(int(float(billions) * int(experts or 1) * 1e9 * _BYTES_PER_WEIGHT), guessed=True)


def journaled_name(folder: Path, tokenizer_folder: Path | None = None) -> str:
    """The name under which calls to a model folder are journaled by any engine: its name and its fingerprint."""
    return f"{folder.resolve().name}@{fingerprint(folder, tokenizer_folder)}"


def fingerprint(folder: Path, tokenizer_folder: Path | None = None) -> str:
    """12 hex digits that change with the weights, the configuration, the tokenizer or the chat template.

    Files of more than 100 MB are sampled at 256 places spread over them; any training changes some of those.
    """
    digest = hashlib.blake2b(digest_size=6)
    settling = [folder.glob(pattern) for pattern in ("*.safetensors", *_SETTLES_REPLIES)]
    if tokenizer_folder is not None and tokenizer_folder != folder:
        settling += [tokenizer_folder.glob(pattern) for pattern in _SETTLES_REPLIES]
    for file in sorted({path for paths in settling for path in paths if path.is_file()}):
        digest.update(f"{file.name}\0{file.stat().st_size}\0".encode())
        for part in _parts(file):
            digest.update(part)
    return digest.hexdigest()


def _parts(file: Path) -> Iterator[bytes]:
    size = file.stat().st_size
    with file.open("rb") as content:
        if size <= _READ_WHOLLY:
            yield content.read()
            return
        for place in range(_SLICES):
            content.seek((size - _SLICE) * place // (_SLICES - 1))
            yield content.read(_SLICE)
