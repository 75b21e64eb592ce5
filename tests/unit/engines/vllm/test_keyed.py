"""Every path of a server requires the key, except for the health check."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from promptcot.engines.vllm.keyed import Keyed
from promptcot.engines.vllm.options import ServerOptions, command


async def application(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"answer"})


def answered(path: str, *headers: tuple[bytes, bytes], kind: str = "http") -> list[Any]:
    """What comes back."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {}

    asyncio.run(Keyed(application)({"type": kind, "path": path, "headers": headers}, receive, send))
    return sent


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_API_KEY", "key")


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/health", [], 200),
        ("/v1/completions", [], 401),
        ("/invocations", [], 401),
        ("/metrics", [], 401),
        ("/tokenize", [(b"authorization", b"Bearer other")], 401),
        ("/tokenize", [(b"authorization", "Bearer k\u00e9y".encode())], 401),
        ("/invocations", [(b"Authorization", b"Bearer key")], 200),
        ("/v1/completions", [(b"authorization", b"Bearer key")], 200),
    ],
)
def test_who_may(path: str, headers: list[tuple[bytes, bytes]], status: int) -> None:
    assert answered(path, *headers)[0]["status"] == status


def test_a_socket_without_the_key_is_not_opened_and_the_start_of_the_server_is_let_through() -> None:
    assert answered("/v1/realtime", kind="websocket") == []
    assert answered("", kind="lifespan")[0]["status"] == 200


def test_only_servers_that_others_reach_are_keyed_and_options_of_the_user_change_nothing_about_it() -> None:
    options = ServerOptions("m", "m", extra=("--middleware", "mine.Own"))
    assert "promptcot.engines.vllm.keyed.Keyed" in command(options, [], 8000, keyed=True)
    assert "promptcot.engines.vllm.keyed.Keyed" not in command(options, [], 8000)
