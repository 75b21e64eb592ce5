"""Options that several verbs share, with the names of the public scripts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import click
from pydantic import BaseModel, ValidationError

from promptcot.cli.cluster_options import cluster_options
from promptcot.errors import RecipeError, UsageError
from promptcot.recipe.engines import AUTO, ENGINES, checked_engine
from promptcot.recipe.schema import Dtype, Model

Command = TypeVar("Command", bound=Callable[..., Any])

DTYPES = get_args(Dtype)
Section = TypeVar("Section", bound=BaseModel)


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
        found = json.loads(value) if value else {}
    except ValueError as error:
        raise click.BadParameter(f"this is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise click.BadParameter('write a JSON object, such as {"top_k": 20}')
    return found


def data_path(help: str) -> Callable[[Command], Command]:
    """The input file."""
    return click.option("--data-path", required=True, type=click.Path(path_type=Path), help=help)


def output_path(help: str) -> Callable[[Command], Command]:
    """The output file."""
    return click.option("--output-path", required=True, type=click.Path(path_type=Path), help=help)


def prompt_like(command: Command) -> Command:
    """The wording of the generator's prompts, from rows that have it."""
    return click.option(
        "--prompt-like", type=click.Path(path_type=Path), help="Rows whose `prompt` has the wording to learn and use."
    )(command)


def switch(name: str, help: str, default: bool = False) -> Callable[[Command], Command]:
    """A flag that may also be given a value, as the public scripts allow: `--name`, `--name True`, `--name false`."""
    return click.option(name, is_flag=False, flag_value=True, default=default, type=bool, show_default=True, help=help)


def served_options(command: Command) -> Command:
    """What says which model is asked, and who serves it."""
    options = [
        click.option(
            "--model-path",
            default="nano",
            show_default=True,
            help="A folder with a causal language model, or the name that a server or the Hub has for one; `nano` is "
            "this step's embedded model, `nano:ROLE` names one.",
        ),
        click.option("--tokenizer-path", help="A folder with the tokenizer, where it is not the model's."),
        click.option("--dtype", type=click.Choice(DTYPES), default="auto", show_default=True, help="Of the weights."),
        click.option(
            "--engine",
            type=EngineName(),
            default="auto",
            show_default=True,
            help="Who serves the model: a server (--base-url), a vLLM server started for this run, or this process. "
            "auto: vLLM where it and a GPU are found.",
        ),
        click.option(
            "--n-gpus", type=click.IntRange(min=0), default=0, help="GPUs to use.  [default: all that are there]"
        ),
        click.option("--engine-args", help='Options for vLLM, passed on as they are: "--max-model-len 8192".'),
        click.option(
            "--base-url",
            multiple=True,
            help="An OpenAI-compatible server, http://HOST:PORT/v1; several share the load.",
        ),
        click.option(
            "--api-key-env",
            default="OPENAI_API_KEY",
            show_default=True,
            help="The environment variable that holds the server's key.",
        ),
        click.option("--requests-per-minute", type=click.IntRange(min=1), help="What the server allows."),
        click.option("--tokens-per-minute", type=click.IntRange(min=1), help="What the server allows."),
        click.option(
            "--idle-timeout",
            type=click.FloatRange(0, min_open=True),
            help="Seconds of silence after which a call is given up.  [default: by the length of the reply]",
        ),
        click.option("--omit", multiple=True, help="A field of requests that the server does not take, such as seed."),
        click.option("--extra-body", callback=_json_object, help="Fields to add to each request, as a JSON object."),
    ]
    return _add(options, command)


def model_options(*, temperature: float) -> Callable[[Command], Command]:
    """What describes a model, how tokens are drawn from it, and what it may cost."""
    options = [
        click.option("--temperature", type=click.FloatRange(min=0), default=temperature, show_default=True),
        click.option("--top-p", type=click.FloatRange(0, 1, min_open=True), default=1.0, show_default=True),
        click.option("--repetition-penalty", type=click.FloatRange(0, min_open=True), default=1.0, show_default=True),
        click.option(
            "--max-len",
            type=click.IntRange(min=1),
            default=4096,
            show_default=True,
            help="The most tokens of a completion.",
        ),
        switch("--use-chat-template", "Ask in the model's chat format instead of with the raw prompt."),
        click.option("--seed", type=click.IntRange(min=0), default=8000, show_default=True),
        click.option(
            "--concurrency",
            type=click.IntRange(min=1),
            default=256,
            show_default=True,
            help="The most calls at a time; a server gets fewer while it cannot keep up.",
        ),
        click.option(
            "--price",
            type=click.FloatRange(min=0),
            nargs=2,
            metavar="PROMPT COMPLETION",
            help="Of a million tokens; without it no cost is shown.",
        ),
        click.option(
            "--max-cost",
            type=click.FloatRange(0, min_open=True),
            help="Stop before more is spent, earlier runs to the same output included; needs --price.",
        ),
    ]
    return lambda command: served_options(_add(options, cluster_options(command)))


def _add(options: Sequence[Callable[[Any], Any]], command: Command) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


def served_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a recipe's section that the options of `served_options` stand for."""
    same = (
        "dtype",
        "engine",
        "n_gpus",
        "api_key_env",
        "requests_per_minute",
        "tokens_per_minute",
        "idle_timeout",
    )
    given = {name: options[name] for name in same}
    given |= {"model": options["model_path"], "tokenizer": options["tokenizer_path"]}
    given |= {"base_url": list(options["base_url"]), "omit": list(options["omit"])}
    given |= {"engine_args": options["engine_args"] or [], "extra_body": options["extra_body"]}
    return given


def model_of(options: Mapping[str, Any]) -> Model:
    """The model that the options of `model_options` describe. Raises RecipeError."""
    price = options["price"] and dict(zip(("prompt", "completion"), options["price"], strict=True))
    if options["max_cost"] and not price:
        raise UsageError("--max-cost needs --price, what a million tokens of prompt and of completion cost")
    return checked(
        Model,
        **served_of(options),
        price=price,
        chat=options["use_chat_template"],
        temperature=options["temperature"],
        top_p=options["top_p"],
        repetition_penalty=options["repetition_penalty"],
        max_tokens=options["max_len"],
    )


def checked(section: type[Section], **given: Any) -> Section:
    """A section of a recipe from options. Raises RecipeError."""
    try:
        return section.model_validate(given)
    except ValidationError as error:
        raise RecipeError("options", [str(mistake["msg"]) for mistake in error.errors()]) from error
