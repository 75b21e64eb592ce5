"""An engine for sentence-transformers folders, which returns vectors and no text.

Decides how such a folder is read: an encoder, then the pooling that `1_Pooling/config.json` specifies (mean over
tokens, or first token). Vectors are normalized to length 1. Texts longer than the model's limit are truncated, as in
sentence-transformers. Weights load from safetensors only, and code in the folder is never run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from promptcot.engines.model_files import read_json
from promptcot.engines.weights import check_weights
from promptcot.errors import EngineUnusable
from promptcot.records import Completion, Request, Score

_TEXTS_IN_A_PASS = 32
_LONGEST = 512
_POOLINGS = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "first"}
_ONLY_VECTORS = "it is a sentence-embedding model, which returns vectors and no text; use it as `semantic`"


class SentenceEngine:
    """An engine over a folder, called `model` in journals. It loads when it is created, on a GPU if there is one.

    Raises EngineUnusable for a folder that cannot be used.
    """

    def __init__(self, folder: Path, model: str) -> None:
        self.model = model
        check_weights(folder)
        self._pooling = _pooling(folder)
        self._network, self._tokenizer, self._device = _load(folder)
        self._longest = _longest(folder)
        self._thread = ThreadPoolExecutor(1, "promptcot-sentences")

    async def complete(self, request: Request) -> Completion:
        """Raises EngineUnusable."""
        raise EngineUnusable(f"{self.model}: {_ONLY_VECTORS}", "sentences")

    async def score(self, prompt: str, continuation: str) -> Score:
        """Raises EngineUnusable."""
        raise EngineUnusable(f"{self.model}: {_ONLY_VECTORS}", "sentences")

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Array (texts, dimensions): vectors of length 1."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._embed, list(texts))

    async def close(self) -> None:
        """End the thread."""
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)

    def _embed(self, texts: list[str]) -> NDArray[np.float32]:
        passes = range(0, len(texts), _TEXTS_IN_A_PASS)
        return np.concatenate([self._pass(texts[first : first + _TEXTS_IN_A_PASS]) for first in passes])

    def _pass(self, texts: list[str]) -> NDArray[np.float32]:
        import torch

        with torch.inference_mode():
            limits: dict[str, Any] = {"padding": True, "truncation": True, "max_length": self._longest}
            tokens = self._tokenizer(texts, return_tensors="pt", **limits).to(self._device)
            states = self._network(**tokens).last_hidden_state.float()
            mask = tokens["attention_mask"].unsqueeze(-1)
            pooled = (states * mask).sum(1) / mask.sum(1) if self._pooling == "mean" else states[:, 0]
            vectors: NDArray[np.float32] = torch.nn.functional.normalize(pooled, dim=1).cpu().numpy()
        return vectors


def _load(folder: Path) -> tuple[Any, Any, Any]:
    """The network, its tokenizer and the device. Raises EngineUnusable."""
    try:
        import torch
        import transformers

        from promptcot.engines.local.model import LOADING, quieten
    except ImportError as error:
        raise EngineUnusable(
            f"the local engine needs {error.name}: pip install 'promptcot[local]'", "not-installed"
        ) from error
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    quieten()
    kept = {"local_files_only": True, "trust_remote_code": False}
    try:
        with LOADING:
            network = transformers.AutoModel.from_pretrained(folder, use_safetensors=True, dtype=torch.float32, **kept)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **kept)
    except Exception as error:
        raise EngineUnusable(f"{folder}: no sentence-embedding model can be loaded from it ({error})") from error
    return network.eval().to(device), tokenizer, device


def _pooling(folder: Path) -> Literal["mean", "first"]:
    """Raises EngineUnusable for an unsupported pooling."""
    config = read_json(folder / "1_Pooling" / "config.json") or {}
    modes = [name for name, value in config.items() if name.startswith("pooling_mode") and value is True]
    poolings = {_POOLINGS.get(mode) for mode in modes}
    if poolings == {"mean"}:
        return "mean"
    if poolings == {"first"}:
        return "first"
    raise EngineUnusable(
        f"{folder}: its pooling is {', '.join(modes) or 'not stated'}; supported are {', '.join(_POOLINGS)}"
    )


def _longest(folder: Path) -> int:
    """The maximum number of tokens of a text that it reads."""
    limit = (read_json(folder / "sentence_bert_config.json") or {}).get("max_seq_length")
    positions = (read_json(folder / "config.json") or {}).get("max_position_embeddings")
    return min(length for length in (limit, positions, _LONGEST) if isinstance(length, int))
