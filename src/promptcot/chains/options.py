"""Converts a recipe's model into command options: the name of each option, and the arguments for a section.

The command line builds its own model options from the same names.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from typing import Any

from promptcot.recipe.schema import Model, Served

_NAMES = {"model": "model_path", "tokenizer": "tokenizer_path", "max_tokens": "max_len", "chat": "use_chat_template"}

_ORDER = (
    *("model", "tokenizer", "dtype", "engine", "n_gpus", "api_key_env", "requests_per_minute", "tokens_per_minute"),
    *("idle_timeout", "queue_timeout", "top_p", "repetition_penalty", "top_k", "min_p", "presence_penalty", "stop"),
    *("concurrency", "max_cost", "base_url", "omit", "engine_args", "extra_body", "temperature", "max_tokens", "chat"),
)
_ALWAYS = {"model", "temperature", "max_tokens"}
_AS_TEXT: Mapping[str, Callable[[Any], str]] = {"engine_args": shlex.join, "extra_body": json.dumps}


def option_of(key: str) -> str:
    """The name of the option for a key of a model's section, in Python's spelling."""
    return _NAMES.get(key, key)


def arguments(options: Mapping[str, Any]) -> list[str]:
    """Options for a command line: several values for a list or tuple, the name alone for True, nothing for None and
    False.
    """
    words: list[str] = []
    for name, values in options.items():
        for value in values if isinstance(values, list | tuple) else [values]:
            if value is not None and value is not False:
                words += [name] if value is True else [name, str(value)]
    return words


def model_arguments(model: Served, *, named: bool = True) -> list[str]:
    """The options for a model, its engine, and its sampling; most default values are left out.

    If the model is not `named`, another option names it.
    """
    fields = type(model).model_fields
    values = {key: getattr(model, key) for key in _ORDER if key in fields and (named or key != "model")}
    changed = {key: value for key, value in values.items() if key in _ALWAYS or value != fields[key].default}
    texts = {
        f"--{option_of(key)}": _AS_TEXT[key](value) if key in _AS_TEXT else value for key, value in changed.items()
    }
    price = model.price if isinstance(model, Model) else None
    return arguments(texts) + (["--price", str(price.prompt), str(price.completion)] if price else [])
