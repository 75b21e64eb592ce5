"""`promptcot mock-server`: an OpenAI-compatible server without a model, with latency and faults on demand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import fields
from typing import Any

import click

from promptcot.cli.parameters import COUNT, NOT_NEGATIVE, SHARE, WHOLE, together
from promptcot.cli.report.console import say, say_all
from promptcot.cli.report.result import RESULT
from promptcot.core.units import counted
from promptcot.mock_server import FAULTS, MockOptions, MockServer
from promptcot.pipeline.synchronous import wait_for

_MEANING = {
    "429": "too many requests",
    "500": "an error of the server",
    "503": "an overloaded server",
    "reset": "a connection reset, before the reply or in the middle of a stream",
    "stall": "half a reply, and then nothing",
    "truncated_json": "half a reply, and then its end",
    "html": "status 200 with a web page",
    "refusal": "a reply refused by a content filter",
    "over_long_error": "status 400 with a message of 200 kB",
}


def _fault_option(fault: str) -> Callable[[Any], Any]:
    name = f"--rate-{fault.replace('_', '-')}"
    return click.option(name, type=SHARE, default=0.0, help=f"Share of {_MEANING[fault]}.")


@click.command("mock-server")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 is any free port.")
@click.option("--model", "models", multiple=True, default=["mock"], show_default=True, help="May be repeated.")
@click.option("--api-key", help="The only key that is accepted.  [default: any, and none]")
@click.option("--seed", type=WHOLE, default=0, show_default=True, help="Of replies, faults, latency.")
@click.option("--reply-tokens", type=COUNT, default=100, show_default=True, help="About; 4 characters.")
@click.option("--dimensions", type=COUNT, default=64, show_default=True, help="Of an embedding.")
@click.option("--latency", type=NOT_NEGATIVE, default=0.0, show_default=True, help="Mean seconds.")
@click.option("--latency-spread", type=NOT_NEGATIVE, default=0.0, show_default=True, help="Log-normal sigma.")
@click.option("--concurrency-limit", type=COUNT, help="More calls at a time are answered 429.")
@click.option("--context", type=COUNT, help="Tokens of prompt and completion together.")
@click.option("--retry-after", type=NOT_NEGATIVE, help="Seconds in the header of a 429.  [default: none]")
@click.option("--retry-after-share", type=SHARE, default=1.0, help="Share of 429 that have the header.")
@together(*map(_fault_option, FAULTS))
@click.option("--ledger/--no-ledger", default=True, help="Remember which calls were answered; 100 bytes for each.")
def command(**options: Any) -> int:
    """Serve made-up replies in the protocol of OpenAI and vLLM, with latency and faults on demand.

    The same call gets the same reply, and a call meets the same faults in the same order, whenever it is
    asked. The address /stats tells what was done so far; Ctrl-C ends the server.
    """
    named = {field.name: options[field.name] for field in fields(MockOptions)}
    server = MockServer(MockOptions(**{**named, "models": tuple(options["models"])}))
    with suppress(KeyboardInterrupt):
        wait_for(_serve(server))
    say_all(_account(server.stats()))
    return 0


async def _serve(server: MockServer) -> None:
    async with server:
        say(f"mock server at {server.url}, model {', '.join(server.options.models)}, seed {server.options.seed}")
        RESULT.add(url=server.url, models=server.options.models, seed=server.options.seed)
        RESULT.emit(None)  # who starts it waits for the address
        await asyncio.Event().wait()  # until it is cancelled


def _account(stats: dict[str, Any]) -> Iterator[str]:
    again = "" if stats["answered_again"] is None else f", {stats['answered_again']:,} of them again"
    calls, at_once = counted(stats["requests"], "call"), f"{stats['max_in_flight']:,}"
    yield f"{calls}, {stats['answered']:,} answered{again}; at most {at_once} at a time"
    if stats["others"]:
        yield ", ".join(f"{name}: {count:,}" for name, count in stats["others"].items())
