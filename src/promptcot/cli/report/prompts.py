"""The first prompt of a stage as text, rendered with the model's chat template if it is available."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from promptcot.cli.report.result import RESULT
from promptcot.core.units import counted
from promptcot.engines.local.rendering import rendered
from promptcot.errors import EngineError, PromptCoTError
from promptcot.pipeline.job import Ask
from promptcot.recipe.schema import Model, Served
from promptcot.records import Request, Row
from promptcot.stages import called
from promptcot.stages.protocol import Stage


def asked(model: Served) -> str:
    """The model and its server."""
    if not model.base_url:
        return model.model
    name = "the only model" if model.unnamed else model.model
    return f"{name} at {', '.join(model.base_url)}"


def drawing(model: Model) -> str:
    """The sampling settings: temperature and top_p, and the others if they differ from their defaults."""
    told = [f"temperature {model.temperature}", f"top_p {model.top_p}"]
    if model.repetition_penalty != 1:
        told.append(f"repetition_penalty {model.repetition_penalty}")
    where_set = ("top_k", "min_p", "presence_penalty")
    told += [f"{name} {value}" for name in where_set if (value := getattr(model, name)) is not None]
    told += [f"stop {', '.join(map(repr, model.stop))}"] if model.stop else []
    return ", ".join([*told, f"at most {counted(model.max_tokens, 'token')}"])


def in_words(model: Served, role: str, request: Request) -> tuple[str, str]:
    """A remark on a prompt, if any, and its text. A chat whose template is not available is shown turn by turn."""
    if not request.messages:
        return "", request.prompt
    said = ""
    try:
        if (text := rendered(model, role, request)) is not None:
            return ", rendered by its chat template", text
    except EngineError as error:
        said = f" ({error})"
    return said, "\n".join(f"[{turn.role}]\n{turn.content}" for turn in request.messages)


def first_prompt(name: str, stage: Stage, model: Model, role: str, row: Row) -> Iterator[str]:
    """The first prompt that the stage `name` would send for a row."""
    head = f"{name}: {asked(model)}, {drawing(model)}"
    try:
        requests = called.ask(stage, row)
    except PromptCoTError as error:
        yield f"{head}; its prompt needs rows from the run itself ({error})"
        return
    if not requests:
        yield f"{head}; it sends no request for the first row"
        return
    said, text = in_words(model, role, requests[0])
    RESULT.append("prompts", {"stage": name, "model": asked(model), "sampling": drawing(model), "prompt": text})
    yield f"{head}; its first prompt{said}:"
    yield textwrap.indent(text.rstrip("\n"), "    | ", lambda line: True)


def preview(asks: list[Ask]) -> Iterator[str]:
    """The first prompt of each stage of a job. No model is called, and nothing is written."""
    for ask in asks:
        item = next(iter(ask.items()), None)
        if item is None:
            yield f"{ask.stage.name}: the input has no rows"
        else:
            yield from first_prompt(ask.stage.name, ask.stage, ask.model, ask.role, item.row)
