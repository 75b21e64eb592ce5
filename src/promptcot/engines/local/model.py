"""Loads a causal language model from a local folder, and converts between its text and tokens.

Decides which folders are usable, the name under which a model is journaled, the number type, and how prompts and chats
become tokens. Weights load from safetensors only, code in the folder is never run, and nothing is downloaded.
`batching` and `worker` run the model.
"""

from __future__ import annotations

import copy
import inspect
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import transformers

from promptcot.engines.local import tokenizers
from promptcot.engines.model_files import journaled_name
from promptcot.engines.weights import check_weights
from promptcot.errors import EngineUnusable, InputError, RequestRefused
from promptcot.records import Request
from promptcot.storage.paths import expanded

CACHE_ARGUMENTS = ("cache", "past_key_values")
"""The names of the key-value cache argument of a forward pass: in transformers 5.24 and later, and before. A model
accepts one.
"""

DType = Literal["auto", "float32", "bfloat16", "float16"]

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_ATTENTION = {"full_attention", "sliding_attention", "chunked_attention"}
_NO_LIMIT = 1 << 31
_TOKENS_PER_CHARACTER = 4
_TAIL_MARGIN = 8
LOADING = threading.Lock()
"""transformers patches its own functions while it loads; two concurrent loads could leave them patched."""


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to run. `context` is the maximum number of tokens of a prompt and its completion together."""

    name: str
    network: Any
    tokenizer: Any
    folder: Path
    context: int
    stop_ids: frozenset[int]
    device: torch.device

    def codec(self) -> TextCodec:
        """A codec for one thread."""
        return TextCodec(copy.deepcopy(self.tokenizer), self.folder)

    @property
    def parameters(self) -> int:
        """The number of weights."""
        return int(self.network.num_parameters())

    @property
    def numbers(self) -> str:
        """The number type of its weights."""
        return str(self.network.dtype).removeprefix("torch.")

    @property
    def width(self) -> int:
        """The dimension of its hidden states."""
        return int(_text_config(self.network.config).hidden_size)

    @property
    def vocabulary(self) -> int:
        """The number of tokens in its logits."""
        return int(_text_config(self.network.config).vocab_size)

    @property
    def accepts(self) -> frozenset[str]:
        """The arguments that a forward pass takes."""
        return frozenset(inspect.signature(self.network.forward).parameters)


def load(model_path: str | Path, tokenizer_path: str | Path | None = None, dtype: DType = "auto") -> LoadedModel:
    """Load a model and its tokenizer. Raises InputError for a wrong path or `dtype`, EngineUnusable otherwise."""
    folder = _folder(model_path, "model")
    tokenizer_folder = folder if tokenizer_path is None else _folder(tokenizer_path, "tokenizer")
    check_weights(folder)
    quieten()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = _network(folder, _dtype(dtype, device)).to(device)
    tokenizer = load_tokenizer(tokenizer_folder)
    return LoadedModel(
        name=journaled_name(folder, tokenizer_folder),
        network=network,
        tokenizer=tokenizer,
        folder=tokenizer_folder,
        context=_context(network.config, tokenizer),
        stop_ids=_stop_ids(network, tokenizer),
        device=device,
    )


def _folder(path: str | Path, what: str) -> Path:
    """The folder: a local one, or a Hub repository in the local Hub cache."""
    folder = expanded(path)
    if folder.is_dir():
        return folder
    if folder.exists():
        raise InputError(f"{folder}: is a file; a {what} is a folder with config.json and safetensors")
    return _cached(str(path), what)


def _cached(name: str, what: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except (HFValidationError, LocalEntryNotFoundError) as error:
        raise InputError(
            f"{name}: no such {what} folder, and no such model in the local Hub cache; nothing is downloaded here —  "
            f"to fetch a model from the Hub: hf download {name if name.count('/') == 1 else 'ORGANISATION/MODEL'}"
        ) from error


def quieten() -> None:
    """Turn off the warnings and progress bars of transformers."""
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


def _dtype(asked: str, device: torch.device) -> torch.dtype | str:
    """`auto` is the type of the weights on a GPU, and float32 on a CPU, where a reply then does not depend on its
    batch.

    In bfloat16 a CPU with instructions for it generates twice as many tokens per second (SmolLM2-135M), but about half
    of the replies change with the composition of the batch; in float32 none does (`benchmarks/local_precision.py`). The
    cause is attention: padding changes the order of its sums, and they are rounded to 8 bits.
    """
    if asked == "auto":
        return torch.float32 if device.type == "cpu" else "auto"
    if asked not in _DTYPES:
        raise InputError(f"dtype {asked!r} is unknown; use one of auto, {', '.join(_DTYPES)}")
    return _DTYPES[asked]


def _network(folder: Path, dtype: torch.dtype | str) -> Any:
    try:
        with LOADING:
            network, report = transformers.AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=dtype,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
    except Exception as error:
        raise EngineUnusable(f"{folder}: no causal language model can be loaded from it ({error})") from error
    if report["missing_keys"]:
        some = ", ".join(sorted(report["missing_keys"])[:3])
        raise EngineUnusable(f"{folder}: {len(report['missing_keys'])} weights are missing ({some}, …)")
    _check_kind(folder, network)
    return network.eval()


def _check_kind(folder: Path, network: Any) -> None:
    kinds = set(getattr(_text_config(network.config), "layer_types", None) or ())
    parameters = inspect.signature(network.forward).parameters
    takes_cache = any(name in parameters for name in CACHE_ARGUMENTS)
    # A stateful model also takes a cache, but not of keys and values.
    if kinds - _ATTENTION or not takes_cache or network._is_stateful:
        kind = network.config.model_type
        raise EngineUnusable(
            f"{folder}: the embedded engine runs models of attention layers, but {kind} has other layers; use --engine "
            "vllm"
        )


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer in a folder. Raises EngineUnusable."""
    try:
        tokenizer = tokenizers.load(folder, local_files_only=True)
        # If a folder has none, transformers may create one that only has special tokens.
        if len(tokenizer) <= len(tokenizer.all_special_tokens):
            raise ValueError("it would know special tokens only")
        return tokenizer
    except Exception as error:
        raise EngineUnusable(
            f"{folder}: no tokenizer can be loaded from it; give the folder of one with --tokenizer_path ({error})"
        ) from error


def _text_config(config: Any) -> Any:
    return config.get_text_config(decoder=True)


def _context(config: Any, tokenizer: Any) -> int:
    positions = getattr(_text_config(config), "max_position_embeddings", None)
    return min(positions or tokenizer.model_max_length or _NO_LIMIT, _NO_LIMIT)


def _stop_ids(network: Any, tokenizer: Any) -> frozenset[int]:
    """Every token that any of the folder's files defines as an end token."""
    found: set[int] = set()
    for ids in (
        network.generation_config.eos_token_id,
        _text_config(network.config).eos_token_id,
        tokenizer.eos_token_id,
    ):
        found.update([ids] if isinstance(ids, int) else ids or ())
    return frozenset(found)


class TextCodec:
    """Text to tokens and back. Not thread-safe."""

    def __init__(self, tokenizer: Any, folder: Path) -> None:
        self._tokenizer = tokenizer
        self._folder = folder

    def request_ids(self, request: Request) -> list[int]:
        """The tokens of a raw prompt (with the tokenizer's own start token, if it has one) or of a chat.

        Raises EngineUnusable if there is no chat template, RequestRefused if the template rejects these messages.
        """
        return self.ids(request.prompt) if request.prompt else self._chat_ids(request)

    def _chat_ids(self, request: Request) -> list[int]:
        return self._tokenise(self.chat_text(request), add_special_tokens=False)

    def chat_text(self, request: Request) -> str:
        """A chat rendered by the template, with the opening of the answer.

        Raises EngineUnusable if there is no chat template, RequestRefused if the template rejects these messages.
        """
        if not self._tokenizer.chat_template:
            raise EngineUnusable(
                f"{self._folder}: the tokenizer has no chat template, so it takes only raw prompts; "
                "use a chat model, or leave out --use_chat_template"
            )
        turns = [{"role": message.role, "content": message.content} for message in request.messages]
        try:
            text: str = self._tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
        except Exception as error:  # a template is code, and may raise anything
            raise RequestRefused(f"the chat template refuses these messages: {error}", "template") from error
        return text

    def ids(self, text: str) -> list[int]:
        """The tokens of a text, including the tokenizer's start token. Raises RequestRefused if there would be none.

        A text that already contains the start token does not get a second one.
        """
        start = self._tokenizer.bos_token
        ids = self._tokenise(text, add_special_tokens=not (start and text.startswith(start)))
        if ids:
            return ids
        for start in (self._tokenizer.bos_token_id, self._tokenizer.eos_token_id):
            if start is not None:
                return [start]
        raise RequestRefused("the prompt has no tokens", "empty-prompt")

    def continued_ids(self, prompt: str, continuation: str) -> tuple[list[int], int]:
        """The tokens of the prompt followed by those of the continuation, and the number of the continuation's.

        The two are tokenized separately, so that no token spans the boundary and the score is of the continuation
        alone.
        """
        before, after = self.ids(prompt), self._tokenise(continuation, add_special_tokens=False)
        return before + after, len(after)

    def _tokenise(self, text: str, **options: bool) -> list[int]:
        try:
            ids: list[int] = self._tokenizer(text, **options).input_ids
        except (TypeError, ValueError) as error:  # for example half a surrogate pair
            raise RequestRefused(f"the text cannot be tokenised: {error}", "malformed") from error
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of tokens, without special tokens and with unchanged spaces."""
        text: str = self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    def cut(self, ids: Sequence[int], stop: Sequence[str]) -> str | None:
        """The text of tokens up to the first stop string in it; None if there is none.

        Cheap when called after each token: at first it decodes only a tail long enough to hold a stop string.
        """
        tail = ids[-_TOKENS_PER_CHARACTER * max(map(len, stop)) - _TAIL_MARGIN :]
        end = self.decode(tail)
        if not any(string in end for string in stop):
            return None
        text = self.decode(ids)
        places = [place for string in stop if (place := text.find(string)) >= 0]
        return text[: min(places)] if places else None
