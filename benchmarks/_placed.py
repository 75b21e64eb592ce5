"""An engine whose servers are mock servers, started where a cluster places the model, for tests of clusters.

The engine's arguments are options of `promptcot mock-server`, and `--log FOLDER`, where each server writes its process
id and the calls that it answered, one line each: `--engine _placed:open_engine --engine-args '--latency 1 --log DIR'`.
`--say URL` has it report another address than its own. On a node where PLACED_FAIL is set it fails to start.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import fields
from pathlib import Path
from typing import Any

from promptcot.engines.openai.engine import OpenAIEngine, OwnServers
from promptcot.engines.opening import Listen, Site
from promptcot.engines.vllm.server import free_port
from promptcot.errors import EngineUnusable
from promptcot.mock_server import MockOptions, MockServer
from promptcot.mock_server.ledger import Ledger
from promptcot.recipe.schema import Served
from promptcot.records import Completion, Request


class KeptLedger(Ledger):
    """Counts like a mock server, and records which calls were answered."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def answer(self, key: bytes) -> None:
        super().answer(key)
        os.write(self._file, f"{key.hex()}\n".encode())


class PlacedMock:
    """A mock server in the process that places it."""

    def __init__(self, spec: Served, listen: Listen) -> None:
        self._model, self._given, self._listen = spec.model, arguments_of(spec), listen
        self._server: MockServer | None = None
        self._stopped = asyncio.Event()

    async def start(self) -> list[str]:
        if words := os.environ.get("PLACED_FAIL"):
            raise EngineUnusable(words, "not-there")
        port = free_port(self._listen.host, self._listen.ports)
        found: dict[str, Any] = {"host": self._listen.host, "port": port, "api_key": self._listen.key, "ledger": False}
        found["models"] = (self._model,)
        for field in fields(MockOptions):
            if field.name in self._given:
                found[field.name] = (
                    float(self._given[field.name]) if "." in self._given[field.name] else int(self._given[field.name])
                )
        self._server = MockServer(MockOptions(**found))
        if folder := self._given.get("log"):
            self._server._ledger = KeptLedger(Path(folder) / f"{os.getpid()}.calls")
        await self._server.start()
        return [self._given.get("say") or self._server.url]

    async def ended(self) -> str:
        await self._stopped.wait()
        return "it was stopped"

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop()
        self._stopped.set()


def arguments_of(spec: Served) -> dict[str, str]:
    words = spec.engine_args
    return {
        name.removeprefix("--").replace("-", "_"): value for name, value in zip(words[::2], words[1::2], strict=True)
    }


def open_server(spec: Served, role: str, listen: Listen) -> PlacedMock:
    return PlacedMock(spec, listen)


class MockHere:
    """The same without a cluster: the server runs in this process, and is called like those on a cluster."""

    def __init__(self, spec: Served) -> None:
        self._spec = spec
        self._server: PlacedMock | None = None
        self._http: OpenAIEngine | None = None

    @property
    def model(self) -> str:
        return self._spec.model

    async def complete(self, request: Request) -> Completion:
        if self._http is None:
            self._http = OpenAIEngine(self.model, self._spec, OwnServers(self.model, "key"))
            self._server = PlacedMock(self._spec, Listen("127.0.0.1", "key", Path(), self.model))
            self._http.transport.serve(await self._server.start())
        return await self._http.complete(request)

    async def close(self) -> None:
        if self._http is not None and self._server is not None:
            await self._http.close()
            await self._server.stop()


def open_engine(spec: Served, role: str, site: Site) -> MockHere:
    return MockHere(spec)


open_engine.open_server = open_server  # type: ignore[attr-defined]
