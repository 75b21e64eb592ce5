"""`promptcot mock-server`: an OpenAI-compatible server without a model, with latency and faults on demand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import fields
from typing import Any

import click

from promptcot.cli.help import verb
from promptcot.cli.parameters import COUNT, NOT_NEGATIVE, SHARE, WHOLE, together
from promptcot.cli.report.console import say, say_all
from promptcot.cli.report.result import RESULT
from promptcot.core.units import counted
from promptcot.mock_server import FAULTS, MockOptions, MockServer
from promptcot.pipeline.synchronous import wait_for

_MEANING = {
    "429": "are answered with status 429, too many requests",
    "500": "are answered with status 500, internal server error",
    "503": "are answered with status 503, server overloaded",
    "reset": "end with a connection reset, before the reply or in the middle of a stream",
    "stall": "get half a reply, and then hang",
    "truncated_json": "get a reply that breaks off in the middle",
    "html": "get a web page with status 200",
    "refusal": "get a reply that says that a content filter refused the request",
    "over_long_error": "are answered with status 400 and a message of 200 kB",
}


def _fault_option(fault: str) -> Callable[[Any], Any]:
    name = f"--rate-{fault.replace('_', '-')}"
    return click.option(
        name, type=SHARE, default=0.0, show_default=True, help=f"Share of requests that {_MEANING[fault]}."
    )


@verb(
    "mock-server",
    example="promptcot mock-server --port 8000 --latency 0.5 --rate-429 0.05",
    groups={
        "Server": ("host", "port", "models", "api_key", "context", "concurrency_limit", "ledger"),
        "Replies": ("reply_tokens", "dimensions", "seed", "latency", "latency_spread"),
        "Faults": (
            "rate_429",
            "rate_500",
            "rate_503",
            "rate_reset",
            "rate_stall",
            "rate_truncated_json",
            "rate_html",
            "rate_refusal",
            "rate_over_long_error",
            "retry_after",
            "retry_after_share",
        ),
    },
)
@click.option("--host", metavar="ADDRESS", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="Port to listen on; 0 picks a free port.",
)
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="NAME",
    default=["mock"],
    show_default=True,
    help="Name of a model that the server offers.",
)
@click.option("--api-key", metavar="KEY", help="API key that requests must have.  [default: any or none]")
@click.option("--seed", type=WHOLE, default=0, show_default=True, help="Random seed for replies, faults and latency.")
@click.option(
    "--reply-tokens",
    type=COUNT,
    default=100,
    show_default=True,
    help="Approximate length of a reply in tokens of 4 characters.",
)
@click.option("--dimensions", type=COUNT, default=64, show_default=True, help="Number of dimensions of an embedding.")
@click.option(
    "--latency", type=NOT_NEGATIVE, metavar="SECONDS", default=0.0, show_default=True, help="Mean latency of a reply."
)
@click.option(
    "--latency-spread",
    type=NOT_NEGATIVE,
    default=0.0,
    show_default=True,
    help="Spread of the latency: the sigma of a log-normal distribution.",
)
@click.option(
    "--concurrency-limit", type=COUNT, help="Limit of concurrent requests; others get status 429.  [default: no limit]"
)
@click.option(
    "--context", type=COUNT, help="Context length: maximum number of prompt and completion tokens.  [default: no limit]"
)
@click.option(
    "--retry-after",
    type=NOT_NEGATIVE,
    metavar="SECONDS",
    help="Value of the Retry-After header of replies with status 429.  [default: no header]",
)
@click.option(
    "--retry-after-share",
    type=SHARE,
    default=1.0,
    show_default=True,
    help="Share of replies with status 429 that have the header.",
)
@together(*map(_fault_option, FAULTS))
@click.option(
    "--ledger/--no-ledger",
    default=True,
    help="Record which requests were answered, in 100 bytes each, to count repeated ones.",
    show_default=True,
)
def command(**options: Any) -> int:
    """Serve synthetic replies over the API of OpenAI and vLLM, with latency and faults on demand.

    The same request always gets the same reply, and meets the same faults in the same order. /stats returns counts of
    what has been served; press Ctrl-C to stop the server.
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
        RESULT.emit(None)  # the caller waits for the address
        await asyncio.Event().wait()  # until it is cancelled


def _account(stats: dict[str, Any]) -> Iterator[str]:
    again = "" if stats["answered_again"] is None else f", {stats['answered_again']:,} of them repeated"
    calls, at_once = counted(stats["requests"], "call"), f"{stats['max_in_flight']:,}"
    yield f"{calls}, {stats['answered']:,} answered{again}; at most {at_once} at a time"
    if stats["others"]:
        yield ", ".join(f"{name}: {count:,}" for name, count in stats["others"].items())
