"""The Ray actor on a node that runs one server of a model, or one part of a server.

The actor ends with the driver, whatever ends the driver, and stops its server.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from promptcot.engines.openai.serving import EngineServer
from promptcot.engines.opening import Engines, Listen, Server, kind_of
from promptcot.engines.vllm.options import Group
from promptcot.engines.vllm.server import free_port
from promptcot.errors import EngineUnusable, PromptCoTError
from promptcot.recipe import import_path
from promptcot.recipe.engines import SERVERS
from promptcot.recipe.schema import Served
from promptcot.redaction import remember


@dataclass(frozen=True)
class Wanted:
    """The server that an actor starts: a model, its role, its served name, the run's key, and the ports it may listen
    on.
    """

    spec: Served
    role: str
    name: str
    key: str
    ports: range

    def __repr__(self) -> str:
        """Without the key: Ray displays and logs the arguments of actors."""
        return f"Wanted({self.spec.model!r}, {self.role!r})"


@dataclass(frozen=True)
class Ended:
    """Why there is no server. `for_good`: it cannot work on this node, however often it is tried."""

    words: str
    for_good: bool


class ServerActor:
    """Holds a server from `start` on. Errors are returned, not raised: Ray would wrap them."""

    def __init__(self, wanted: Wanted) -> None:
        os.environ.pop("OMP_NUM_THREADS", None)  # Ray sets it to the CPUs of the actor, which are no limit
        remember(wanted.key)
        self._wanted = wanted
        self._logs = Path(tempfile.mkdtemp(prefix="promptcot-server-"))
        self._server: Server | None = None
        self._lives = False

    async def address(self, *, port: bool) -> tuple[str, int] | Ended:
        """The node's own address, and a free port if requested, for communication between the parts of a server."""
        host = _own_address()
        try:
            return host, free_port(host, self._wanted.ports) if port else 0
        except EngineUnusable as error:
            return Ended(str(error), for_good=False)

    async def start(self, group: Group | None = None) -> list[str] | Ended:
        """Run the server until it answers; returns its base URLs, none for a part of a server."""
        wanted = self._wanted
        listen = Listen(_own_address(), wanted.key, self._logs, wanted.name, wanted.ports, group)
        try:
            opener = server_opener(kind_of(wanted.spec))
            if opener is not None:
                self._server = opener(wanted.spec, wanted.role, listen)
            else:
                self._server = EngineServer(await Engines(self._logs).open(wanted.spec, wanted.role), listen)
            urls = await self._server.start()
            self._lives = True
            return urls
        except EngineUnusable as error:
            return Ended(str(error), error.cause not in ("vllm-start", "no-port"))
        except PromptCoTError as error:
            return Ended(str(error), True)
        except Exception as error:
            return Ended(f"{type(error).__name__}: {error}", False)

    async def ended(self) -> str:
        """Wait until the server has ended or is unusable, and return how it ended."""
        assert self._server is not None
        words = await self._server.ended()
        self._lives = False
        return words

    async def stop(self) -> None:
        """Stop the server with all its processes, and delete the logs of a server that had not ended by itself."""
        lives, self._lives = self._lives, False
        if self._server is not None:
            await self._server.stop()
        if lives:
            shutil.rmtree(self._logs, ignore_errors=True)
        with suppress(OSError):  # it holds the log of a failure
            self._logs.rmdir()


def server_opener(kind: str) -> Callable[[Served, str, Listen], Server] | None:
    """The function that opens an engine with its own server; None if the engine needs a server in front of it."""
    opener: Callable[[Served, str, Listen], Server] | None = None
    if kind in SERVERS:
        opener = import_path.load(SERVERS[kind])
    elif ":" in kind:
        opener = getattr(import_path.load(kind), "open_server", None)
    return opener


def _own_address() -> str:
    import ray

    return str(ray.util.get_node_ip_address())
