"""Serves the viewer on an address of this machine until it is cancelled."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import uvicorn

from promptcot.errors import InputError
from promptcot.viewer.app import Viewer
from promptcot.viewer.guard import Guard
from promptcot.viewer.shelf import Shelf


class _Server(uvicorn.Server):
    """Leaves the handling of signals to the program."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()


async def serve(shelf: Shelf, host: str, port: int, reviewer: str, ready: Callable[[Guard], None]) -> None:
    """Serve a run until this is cancelled. Calls `ready` when the address is known. Raises InputError."""
    listening = listening_at(host, port)
    guard = Guard(host, listening.getsockname()[1])
    config = uvicorn.Config(
        Viewer(shelf, guard, reviewer).app(),
        access_log=False,  # it would contain the token
        log_level="error",
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    running = asyncio.create_task(server.serve([listening]))
    ready(guard)
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        server.should_exit = True
        await running
        raise
    finally:
        listening.close()


def listening_at(host: str, port: int) -> socket.socket:
    """A socket that listens at this address; port 0 is any free port. Raises InputError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(128)
    except (OSError, UnicodeError) as error:
        listening.close()
        raise InputError(
            f"{host}:{port}: cannot listen there ({error}); choose another --host or --port, or leave them out"
        ) from error
    return listening
