"""Options that several verbs share, with the names of the public scripts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from promptcot.recipe import Dtype

Command = TypeVar("Command", bound=Callable[..., Any])

DTYPES = get_args(Dtype)


def data_path(help: str) -> Callable[[Command], Command]:
    """The input file."""
    return click.option("--data-path", required=True, type=click.Path(path_type=Path), help=help)


def output_path(help: str) -> Callable[[Command], Command]:
    """The output file."""
    return click.option("--output-path", required=True, type=click.Path(path_type=Path), help=help)


def switch(name: str, help: str, default: bool = False) -> Callable[[Command], Command]:
    """A flag that may also be given a value, as the public scripts allow: `--name`, `--name True`, `--name false`."""
    return click.option(name, is_flag=False, flag_value=True, default=default, type=bool, show_default=True, help=help)


def model_options(*, temperature: float) -> Callable[[Command], Command]:
    """What describes a model and how tokens are drawn from it."""
    options = [
        click.option(
            "--model-path",
            default="nano",
            show_default=True,
            help="A folder with a causal language model; `nano` is this step's embedded one, `nano:ROLE` names one.",
        ),
        click.option("--tokenizer-path", help="A folder with the tokenizer, where it is not the model's."),
        click.option("--dtype", type=click.Choice(DTYPES), default="auto", show_default=True, help="Of the weights."),
        click.option(
            "--n-gpus",
            type=click.IntRange(min=0),
            default=0,
            help="As published; the local engine uses one if there is one.",
        ),
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
            "--concurrency", type=click.IntRange(min=1), default=64, show_default=True, help="The most calls at a time."
        ),
    ]

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add
