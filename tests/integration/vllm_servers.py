"""A real vLLM server on the CPU, started once for all tests that only call it.

It takes 30 to 90 seconds to start, so tests share it and none may end it. The fixtures are offered to all by conftest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from promptcot import nano
from promptcot.engines.vllm.options import ServerOptions
from promptcot.engines.vllm.placement import CPU
from promptcot.engines.vllm.server import Launch, VllmServer

SERVED_NAME = "nano-generator"
CHAT_TEMPLATE = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant:"
OPTIONS = ("--chat-template", CHAT_TEMPLATE, "--max-logprobs", "5")


@pytest.fixture(scope="session")
def vllm_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmServer]:
    """A server of the nano generator in float32, with a chat template that the model itself has not."""
    log = tmp_path_factory.mktemp("vllm") / "vllm.log"
    options = ServerOptions(str(nano.path("generator")), SERVED_NAME, dtype="float32", extra=OPTIONS)
    server = VllmServer(options, CPU, Launch(log, patience=300))
    asyncio.run(server.start())
    yield server
    asyncio.run(server.stop())


@pytest.fixture(scope="session")
def vllm_url(vllm_server: VllmServer) -> str:
    """Its base URL; it serves the model under the name SERVED_NAME."""
    return vllm_server.urls[0]
