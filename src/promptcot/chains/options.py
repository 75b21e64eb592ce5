"""How a model of a recipe is written as options of a command: the name of each option, and the arguments for a section.

The command line makes its own options for a model from the same names.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from typing import Any

from promptcot.recipe.schema import Served

_NAMES = {"model": "model_path", "tokenizer": "tokenizer_path", "max_tokens": "max_len", "chat": "use_chat_template"}

_ORDER = (
    *("model", "tokenizer", "dtype", "engine", "n_gpus", "api_key_env", "requests_per_minute", "tokens_per_minute"),
    *("idle_timeout", "top_p", "repetition_penalty", "concurrency", "max_cost", "base_url", "omit", "engine_args"),
    *("extra_body", "temperature", "max_tokens", "chat", "price"),
)
_ALWAYS = {"model", "temperature", "max_tokens"}
_LISTED = {"base_url", "omit"}
_VALUES: dict[str, Callable[[Any], list[str]]] = {
    "engine_args": lambda words: [shlex.join(words)],
    "extra_body": lambda body: [json.dumps(body)],
    "chat": lambda _: [],
    "price": lambda price: [str(price.prompt), str(price.completion)],
}
"""How values are written that are not simply text or numbers."""


def option_of(key: str) -> str:
    """The name of the option for a key of a model's section, as Python writes it."""
    return _NAMES.get(key, key)


def model_arguments(model: Served, *, named: bool = True) -> list[str]:
    """The options for a model, who serves it, and how tokens are drawn from it; most default values are left out.

    Where the model is not `named`, another option names it.
    """
    keys = (key for key in _ORDER if key in type(model).model_fields and (named or key != "model"))
    return [word for key in keys for word in _arguments(model, key)]


def _arguments(model: Served, key: str) -> Iterator[str]:
    option, value = f"--{option_of(key)}", getattr(model, key)
    if key in _LISTED:
        yield from (word for one in value for word in (option, one))
    elif key in _ALWAYS or value != type(model).model_fields[key].default:
        yield from (option, *_VALUES.get(key, lambda plain: [str(plain)])(value))
