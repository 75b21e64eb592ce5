"""Checks OpenAI-compatible servers: do they answer, do they have the model, do they accept the calls of this recipe?

A small call goes through the recipe's engine, so it gets the same errors as the run would.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

from promptcot.doctor.defaults import look_at_defaults
from promptcot.doctor.findings import Finding, note, ok, problem, problem_of
from promptcot.doctor.models import Asked, context_findings
from promptcot.engines.openai.diagnosis import Sight, look, shown_models
from promptcot.engines.openai.engine import OpenAIEngine
from promptcot.engines.openai.opening import name_for
from promptcot.errors import LIMITED, EngineError, TransientError
from promptcot.recipe.addresses import below, has_version
from promptcot.recipe.schema import Served
from promptcot.records import Completion, Message, Request, Sampling

_PATIENCE = 60.0
_KEY_WANTED = (401, 403)
_AGAIN = (1.0, 3.0)
"""Seconds before each retry of a failed call: a single transient error says little about a server."""
_TOKENS = 16
_QUESTION = "What is 2 + 3?"
_RAW_WAY_OUT = "set chat = true for this step if the server has no raw completions (/completions)"


async def look_at_servers(asked: Asked, both: bool = False) -> AsyncIterator[Finding]:
    """Each base URL of a model, and the key. `both` tries the chat and the raw format, of which one has to work."""
    if os.environ.get(asked.spec.api_key_env):
        yield ok(f"the key in {asked.spec.api_key_env} is sent (and never shown)")
    else:
        yield note(f"no key is sent: {asked.spec.api_key_env} is not set (--api-key-env names another variable)")
    for url in asked.spec.base_url:
        try:
            engine = _engine(asked.spec, url)
        except EngineError as error:  # the key or the proxy cannot be used
            yield problem_of(error)
            return
        try:
            async for finding in _server(engine, asked, url, both):
                yield finding
        finally:
            await engine.close()


async def _server(engine: OpenAIEngine, asked: Asked, url: str, both: bool) -> AsyncIterator[Finding]:
    sight = await _list_models(engine, url)
    if sight.models is None and not has_version(url):
        deeper = await look(engine.transport.get, below(url, "/v1"))
        if deeper.models is not None or deeper.status in _KEY_WANTED:
            yield problem(f"{url}: the address lacks /v1", f"use --base-url {deeper.url}")
            return
    named = _name(asked.spec, sight)
    if isinstance(named, Finding):
        yield named
        return
    engine.served_model = named
    for finding in _describe_model(asked, named, sight, both):
        yield finding
    for finding in await look_at_defaults(engine.transport.get, sight, named, asked):
        yield finding
    findings = await _calls(engine, asked, sight, both)
    if sight.models is None and any(finding.mark == "ok" for finding in findings):
        yield note(f"{url} does not list its models ({sight.problem}), which is harmless")
    for finding in findings:
        yield finding
    if "encode" in asked.steps:
        yield await _embedding(engine)


async def _list_models(engine: OpenAIEngine, url: str) -> Sight:
    """The list of models. Retried after a transient error."""
    sight = await look(engine.transport.get, url)
    for pause in _AGAIN:
        if not (sight.problem == TimeoutError.__name__ or sight.status in (408, 429) or (sight.status or 0) >= 500):
            break
        await asyncio.sleep(pause)
        sight = await look(engine.transport.get, url)
    return sight


def _engine(spec: Served, url: str) -> OpenAIEngine:
    """The engine for one URL, which does not wait for rate limits."""
    patience = min(_PATIENCE, spec.idle_timeout or _PATIENCE)
    at_once = {"base_url": [url], "idle_timeout": patience, "queue_timeout": _PATIENCE}
    at_once |= {"requests_per_minute": None, "tokens_per_minute": None}
    return OpenAIEngine(spec.model, spec.model_copy(update=at_once))


def _name(spec: Served, sight: Sight) -> str | Finding:
    """The model to use, chosen as in a run; a problem if there is none."""
    listed = sight.models or ()
    if (name := name_for(spec, listed)) is not None:
        return name
    shown = shown_models(listed)
    if listed and spec.unnamed:
        return problem(f"{sight.url} has several models, and none is named", f"name one with --model: {shown}")
    if listed:
        return problem(f"{sight.url} has no model {spec.model!r}", f"it has {shown}: name one with --model")
    if not spec.unnamed or sight.status in (None, *_KEY_WANTED):
        return spec.model  # the call reports why there is no answer
    why = sight.problem or "its list of them is empty"
    return problem(
        f"{sight.url} does not say which models it has ({why})", "if this is a server, name one with --model"
    )


def _describe_model(asked: Asked, name: str, sight: Sight, both: bool) -> Iterator[Finding]:
    """The server's information on this model."""
    if sight.models:
        context = f", context {sight.context:,}" if sight.context else ""
        others = f" (one of {len(sight.models)} models)" if len(sight.models) > 1 else ""
        yield ok(f"{sight.url} has {name}{others}{context}")
        yield from () if both else context_findings(sight.context, asked)


async def _calls(engine: OpenAIEngine, asked: Asked, sight: Sight, both: bool) -> list[Finding]:
    """A small call in each format that the recipe uses. With `both` formats, one may fail if the other works; if both
    fail, this is reported once.
    """
    if not both:
        ways = {model.chat: model.sampling for model in asked.models}
        return [await _call(engine, chat, sampling, sight) for chat, sampling in ways.items()]
    findings = [await _call(engine, chat, Sampling(0.0), sight) for chat in (True, False)]
    if all(finding.mark == "problem" for finding in findings):
        return findings[:1]
    return [
        note(f"{mode} is not supported: {finding.what}") if finding.mark == "problem" else finding
        for mode, finding in zip((_mode(True), _mode(False)), findings, strict=True)
    ]


async def _call(engine: OpenAIEngine, chat: bool, sampling: Sampling, sight: Sight) -> Finding:
    small = replace(sampling, max_tokens=_TOKENS, stop=())
    asking = Request(messages=(Message("user", _QUESTION),)) if chat else Request(prompt=_QUESTION)
    try:
        begun, reply = await _answer(engine, replace(asking, sampling=small))
    except EngineError as error:
        return _failed(error, chat, sight)
    seconds = time.monotonic() - begun
    count = reply.completion_tokens
    tokens = ", tokens are not counted" if count is None else f", {count} token{'s' * (count != 1)}"
    return ok(f"{_mode(chat)} is answered in {seconds:.1f} s{tokens}")


async def _answer(engine: OpenAIEngine, request: Request) -> tuple[float, Completion]:
    """The start time of an answered call, and the reply. Transient errors are retried."""
    for pause in _AGAIN:
        begun = time.monotonic()
        try:
            return begun, await engine.complete(request)
        except TransientError as error:
            if error.cause == LIMITED:
                raise
        await asyncio.sleep(pause)
    return time.monotonic(), await engine.complete(request)


def _mode(chat: bool) -> str:
    return "a chat" if chat else "a raw prompt"


def _failed(error: EngineError, chat: bool, sight: Sight) -> Finding:
    if error.cause == "no-server":
        reason = re.search(r"\[(.+?)\]", str(error))
        what = f"nothing answers at {sight.url}" + (f" ({reason[1]})" if reason else "")
        return problem(what, "start the server, or correct the address; from a container, localhost is the container")
    if error.cause == LIMITED:
        return note(f"{_mode(chat)}: the server is busy (429); a run waits and retries")
    found = problem_of(error)
    if error.cause == "not-found" and sight.models is not None and not chat:
        return problem(found.what, _RAW_WAY_OUT)
    if isinstance(error, TransientError):
        return problem(found.what, f"it failed {len(_AGAIN) + 1} times: check the server, or run doctor again")
    return found


async def _embedding(engine: OpenAIEngine) -> Finding:
    try:
        vectors = await engine.embed([_QUESTION])
    except EngineError as error:
        way_out = "name a server with /embeddings in [encode], or set encode.skip = true to do without vectors"
        return problem(f"no vectors: {problem_of(error).what}", way_out)
    return ok(f"vectors of {vectors.shape[1]:,} numbers come from /embeddings")
