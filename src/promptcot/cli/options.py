"""Options that several verbs share, with the names of the public scripts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click
from click.core import ParameterSource
from pydantic import BaseModel, ValidationError

from promptcot.chains.options import option_of
from promptcot.chains.recipe import Asked
from promptcot.cli import known
from promptcot.cli.cluster_options import cluster_options, no_batches
from promptcot.cli.help import Switch
from promptcot.cli.known import completing
from promptcot.cli.parameters import (
    ABOVE_ZERO,
    COUNT,
    MODEL_OR_NAME,
    NOT_NEGATIVE,
    PROMPTS,
    SOURCE,
    TARGET,
    WHOLE,
    Command,
    Number,
    shard_option,
    together,
)
from promptcot.errors import RecipeError, UsageError
from promptcot.recipe.engines import AUTO, ENGINES, checked_engine
from promptcot.recipe.schema import Model, Served
from promptcot.storage.json import loads

Section = TypeVar("Section", bound=BaseModel)


levels_option = click.option(
    "--level",
    "levels",
    metavar="LEVEL",
    shell_complete=completing(known.levels),
    multiple=True,
    help="Level of rows without a level; if several levels are given, one is drawn for each of these rows.",
)


def grading_options(command: Command) -> Command:
    """--limit and --workers of the verbs that compare many answers."""
    for option in reversed(_GRADING):
        command = option(command)
    return command


_GRADING = (
    click.option(
        "--limit",
        type=ABOVE_ZERO,
        default=5.0,
        show_default=True,
        metavar="SECONDS",
        help="Time limit for the comparison of two answers, in seconds of CPU.",
    ),
    click.option("--workers", type=COUNT, default=2, show_default=True, help="Number of grading processes."),
)


class EngineName(click.ParamType[str]):
    """The name of an engine, or of a Python function that opens one."""

    name = "engine"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return f"[{'|'.join((AUTO, *ENGINES))}|MODULE:NAME]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return checked_engine(str(value))
        except ValueError as error:
            return self.fail(str(error), param, ctx)


def _json_object(ctx: click.Context, param: click.Parameter, value: str | None) -> dict[str, Any]:
    try:
        found = loads(value.encode(errors="surrogatepass")) if value else {}
    except ValueError as error:
        raise click.BadParameter(f"this is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise click.BadParameter('write a JSON object, such as {"reasoning_effort": "high"}')
    return found


def data_path(help: str) -> Callable[[Command], Command]:
    """The input file."""
    return click.option("--data-path", required=True, type=SOURCE, help=help)


def output_path(help: str) -> Callable[[Command], Command]:
    """The output file."""
    return click.option("--output-path", required=True, type=TARGET, help=help)


prompts_option = click.option(
    "--prompts",
    "domain",
    type=PROMPTS,
    help="Domain: a name, or a folder that defines one.  [default: nano for nano models, else math]",
)


def seed_option(help: str) -> Callable[[Command], Command]:
    """`--seed`, with the same default everywhere."""
    return click.option("--seed", type=WHOLE, default=8000, show_default=True, help=help)


def prompt_like(command: Command) -> Command:
    """`--prompt-like`: the wording of the prompts, from rows that contain one."""
    return click.option(
        "--prompt-like",
        type=SOURCE,
        help="Take the wording of the prompt from the `prompt` field of these rows.  [default: the domain's wording]",
    )(command)


def switch(name: str, help: str, default: bool = False) -> Callable[[Command], Command]:
    """A flag, `--name` or `--no-name`, that may also be given a value, as the public scripts allow."""
    return click.option(name, cls=Switch, default=default, show_default=True, help=help)


_HELP = {
    "model": "Model folder, or the model's name on the server or the Hub. `nano` is the embedded model for this step, "
    "`nano:ROLE` the one for another role.",
    "tokenizer": "Tokenizer folder.  [default: the model's]",
    "dtype": "Data type of the weights.",
    "engine": "What serves the model: openai (the server at --base-url), vllm (a server started for this command), or "
    "local (this process). auto uses --base-url if given, else vLLM if it and a GPU are available.",
    "n_gpus": "Number of GPUs to use.  [default: all]",
    "engine_args": 'Options passed to vLLM unchanged, such as "--max-model-len 8192".',
    "base_url": "URL of an OpenAI-compatible server, http://HOST:PORT/v1. Several servers share the load. A query "
    "string (?api-version=2024-10-21) is kept.",
    "api_key_env": "Environment variable that holds the server's API key.",
    "requests_per_minute": "The server's rate limit in requests per minute.  [default: no limit]",
    "tokens_per_minute": "The server's rate limit in tokens per minute.  [default: no limit]",
    "idle_timeout": "Seconds without new output, once a reply has begun, before a call times out.  [default: 300]",
    "queue_timeout": "Seconds that a call may wait for its reply to begin.  [default: 1800]",
    "omit": "Request field to leave out because the server does not accept it, such as seed.",
    "extra_body": "JSON object with fields to add to each request.",
    "temperature": "Sampling temperature; 0 is greedy decoding.",
    "top_p": "Nucleus sampling: sample from the smallest set of tokens with this probability mass.",
    "repetition_penalty": "Penalty on tokens that have occurred already; 1 is none.",
    "top_k": "Sample from the K most likely tokens.  [default: all tokens]",
    "min_p": "Minimum probability of a token, relative to the most likely one.",
    "presence_penalty": "Penalty subtracted from the logits of tokens that the completion contains already.",
    "stop": "Stop sequence; the completion ends before it.",
    "max_tokens": "Maximum number of tokens per completion.",
    "chat": "Apply the model's chat template instead of sending the raw prompt.",
    "concurrency": "Maximum number of concurrent requests; reduced automatically while a server is overloaded.",
    "price": "Price per million prompt tokens and per million completion tokens.  [default: none; no cost is shown]",
    "max_cost": "Stop before the total cost, including earlier runs with the same output, exceeds this; needs --price."
    "  [default: no limit]",
}
_METAVARS = {
    "base_url": "URL",
    "api_key_env": "VARIABLE",
    "engine_args": "ARGS",
    "omit": "FIELD",
    "extra_body": "JSON",
    "stop": "TEXT",
    "idle_timeout": "SECONDS",
    "queue_timeout": "SECONDS",
}
_SPECIAL: Mapping[str, Mapping[str, Any]] = {
    "model": {"type": MODEL_OR_NAME},
    "tokenizer": {"type": MODEL_OR_NAME},
    "engine": {"type": EngineName()},
    "n_gpus": {"show_default": False},
    "engine_args": {"multiple": False},
    "extra_body": {"callback": _json_object},
    "price": {"type": NOT_NEGATIVE, "nargs": 2, "metavar": "PROMPT COMPLETION"},
    "chat": {"cls": Switch},
}
"""Options whose type or default differs from that of the key in a recipe."""

_SCHEMA = Asked.model_json_schema()["properties"]
_SERVED = [key for key in Served.model_fields if key not in ("price", "replicas")]
_WHERE_SET = ["top_k", "min_p", "presence_penalty", "stop"]
_DRAWN = ["temperature", "top_p", "repetition_penalty", *_WHERE_SET, "max_tokens", "chat"]


def model_options(*, temperature: float) -> Callable[[Command], Command]:
    """The options for a model, its sampling settings and its cost."""
    drawn = [_option(key, **({"default": temperature} if key == "temperature" else {})) for key in _DRAWN]
    seed = seed_option("Random seed; each request gets its own, derived from it.")
    work = (*map(_option, ("concurrency", "price", "max_cost")), shard_option, cluster_options, no_batches)
    dry_run = click.option("--dry-run", is_flag=True, help="Print the first prompt and exit without calling a model.")
    return together(served_options, *drawn, seed, *work, keep_going, dry_run)


keep_going = click.option(
    "--keep-going",
    is_flag=True,
    help="Do not stop early when no reply is usable; useful to measure how often a model fails.",
)


def _option(key: str, **more: Any) -> Callable[[Any], Any]:
    """The option for a key of a model's section, with the type, the bounds and the default that the section has."""
    schema = _SCHEMA[key]
    how: dict[str, Any] = {"type": _type_of(schema)}
    if schema.get("type") == "array":
        how["multiple"] = True
    elif schema["default"] not in (None, {}):
        how |= {"default": schema["default"], "show_default": True}
    name = f"--{option_of(key).replace('_', '-')}"
    if key in _METAVARS:
        how["metavar"] = _METAVARS[key]
    return click.option(name, help=_HELP[key], **{**how, **_SPECIAL.get(key, {}), **more})


def _type_of(schema: Mapping[str, Any]) -> click.ParamType[Any] | None:
    """A choice, or a number within its bounds, by the JSON schema of a key; None for text."""
    plain = schema.get("anyOf", [schema])[0]
    if "enum" in plain:
        return click.Choice(plain["enum"])
    least, above = plain.get("minimum"), plain.get("exclusiveMinimum")
    if plain.get("type") == "integer":
        return click.IntRange(min=above + 1 if least is None else least)
    if plain.get("type") == "number":
        return Number(above if least is None else least, plain.get("maximum"), min_open=least is None)
    return None


served_options = together(*map(_option, _SERVED))
"""The options for a model and its server."""


serving_options = together(*(_option(key) for key in _SERVED if key != "model"))
"""The options for the server of a model that another option names."""


def served_as(model: str, options: Mapping[str, Any], **drawn: Any) -> Model:
    """A model with this name, served by the options of `serving_options`; `drawn` are its sampling settings.

    Raises RecipeError.
    """
    given = {key: options[option_of(key)] for key in _SERVED if key != "model"}
    return checked(Model, **{**given, "model": model, "engine_args": given["engine_args"] or [], **drawn})


def served_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a recipe's section for the options of `served_options`."""
    given = {key: options[option_of(key)] for key in _SERVED if key != "model" or _is_named(options)}
    return {**given, "engine_args": given["engine_args"] or []}


def _is_named(options: Mapping[str, Any]) -> bool:
    """Whether the model was given on the command line; the default does not count."""
    typed = click.get_current_context().get_parameter_source("model_path") is not ParameterSource.DEFAULT
    return typed or bool(options.get("annotators"))


def told(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options for the manifest: those of `_WHERE_SET` only if they are set."""
    return {name: value for name, value in options.items() if name not in _WHERE_SET or value not in (None, ())}


def model_of(options: Mapping[str, Any]) -> Model:
    """The model that the options of `model_options` describe. Raises RecipeError."""
    price = options["price"] and dict(zip(("prompt", "completion"), options["price"], strict=True))
    if options["max_cost"] and not price:
        raise UsageError("--max-cost needs --price, the prices of a million prompt tokens and completion tokens")
    drawn = {key: options[option_of(key)] for key in _DRAWN}
    return checked(Model, **served_of(options), **drawn, price=price)


def checked(section: type[Section], **given: Any) -> Section:
    """A section of a recipe from options. Raises RecipeError."""
    try:
        return section.model_validate(given)
    except ValidationError as error:
        raise RecipeError("options", [_said(mistake["loc"], mistake["msg"]) for mistake in error.errors()]) from error


def _said(place: Sequence[int | str], message: str) -> str:
    """A mistake, with the name of its option if there is one."""
    message = message.removeprefix("Value error, ")
    return f"--{option_of(str(place[0])).replace('_', '-')}: {message}" if place else message
