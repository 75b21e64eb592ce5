"""One server, as its callers see it, and how network errors on the way to it are classified.

Until a server has answered once, an apparently wrong address or model is a fatal error. Afterwards the same symptom is
a transient error, since restarting gateways answer that way; if it persists and no other server answers, it becomes
fatal.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import aiohttp

from promptcot.core.units import duration
from promptcot.engines.openai.diagnosis import CERTIFICATE
from promptcot.engines.openai.payload import Garbled
from promptcot.engines.openai.proxies import Proxy
from promptcot.errors import EngineError, EngineUnusable, RequestRefused, TransientError
from promptcot.recipe.addresses import below, host_and_port

_LONGEST_AWAY = 60.0
_PASSING = {"not-found", "forbidden", "not-a-server", "unknown-model"}
_PASSES, _DENIALS = 60.0, 5
"""Seconds, and the number of times, after which a temporary condition counts as permanent."""
_NOBODY = "Is the server running, and is the address right? `promptcot doctor --base-url URL` looks into it"


@dataclass
class Server:
    """One base URL, called `name` in errors. `proven` once it has answered a call; `failures` counts those since, and
    it is avoided for a while after each. Since `wrong_since` it has given a permanent error despite earlier answers,
    now `denials` times. `resting` once it has asked for a long wait. `calls` are in flight there; they end when it is
    `lost`.
    """

    url: str
    proxy: Proxy | None
    name: str
    in_flight: int = 0
    proven: bool = False
    away_until: float = 0.0
    failures: int = 0
    wrong_since: float | None = None
    denials: int = 0
    dead: bool = False
    lost: bool = False
    resting: bool = False
    calls: set[asyncio.Task[Any]] = field(default_factory=set)

    def shown(self, address: str) -> str:
        """An address of this server for errors; our own servers have a name instead."""
        return address if self.name == self.url else self.name

    def answered(self) -> None:
        """It answered a call."""
        self.proven, self.dead, self.resting = True, False, False
        self.failures, self.wrong_since, self.denials = 0, None, 0

    def busy(self, now: float) -> tuple[bool, int]:
        """A sort key for its load: a server that failed gets one call at a time."""
        return self.away_until > now or bool(self.failures and self.in_flight), self.in_flight

    @property
    def works(self) -> bool:
        """Whether it may be called."""
        return not (self.dead or self.resting) and self.wrong_since is None

    def leave_alone(self, error: TransientError) -> None:
        """Avoid it for a while that doubles each time: a server that fails at once looks idle."""
        self.failures += 1
        pause = min(_LONGEST_AWAY, 2.0 ** min(self.failures, 10) / 2)
        self.away_until = time.monotonic() + max(pause, min(error.retry_after or 0.0, _LONGEST_AWAY))

    def denied(self) -> float:
        """It gives a permanent error despite earlier answers; returns for how many seconds now."""
        self.denials += 1
        now = time.monotonic()
        self.wrong_since = now if self.wrong_since is None else self.wrong_since
        return now - self.wrong_since


class Way:
    """A call on its way to a server: classifies errors, and updates the server's state.

    A server that does not answer is unavailable if there are `others`, and a wrong address if none answers.
    """

    def __init__(self, server: Server, path: str, others: Sequence[Server]) -> None:
        self._server, self._path, self._others = server, path, others

    @property
    def _where(self) -> str:
        return self._server.shown(below(self._server.url, self._path))

    async def __aenter__(self) -> None:
        self._server.in_flight += 1
        self._task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._server.calls.add(self._task)

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._server.in_flight -= 1
        self._server.calls.discard(self._task)
        if error is None:
            self._server.answered()
            return
        meant = self._meant(error)
        if isinstance(meant, TransientError):
            self._server.leave_alone(meant)
        if meant is not None and meant is not error:
            raise meant from (error if not isinstance(error, EngineError) else None)

    def _meant(self, error: BaseException) -> EngineError | None:
        if self._server.lost and isinstance(error, asyncio.CancelledError) and not self._task.uncancel():
            return TransientError(f"{self._where}: the server was lost", "server ended")
        if isinstance(error, Garbled) and not self._server.proven and error.cause == "garbled":
            return self._through(EngineUnusable(f"{self._where}: {error}", "not-a-server"))
        if isinstance(error, EngineUnusable) and self._server.proven and error.cause in _PASSING:
            return self._passing(error)
        if isinstance(error, EngineUnusable) and error.cause == "wait":
            self._server.resting = True
            if any(other.works for other in self._others):
                return TransientError(str(error), error.cause)
        if isinstance(error, RequestRefused) and error.cause == "http 407" and self._server.proxy is not None:
            return _wants_password(self._server.proxy)
        if isinstance(error, EngineError):
            return self._through(error)
        if isinstance(error, (aiohttp.ClientError, asyncio.TimeoutError, OSError, ValueError)):
            return self._meaning(error)
        return None

    def _passing(self, error: EngineUnusable) -> EngineError:
        """A server that worked gives a permanent error: transient, unless it lasts and no other server answers."""
        lasts = self._server.denied()
        passes = lasts < _PASSES or self._server.denials < _DENIALS
        if passes or any(other.works for other in self._others):
            return TransientError(str(error), error.cause)
        message = f"{error}\nIt answered before, but has given this error for {duration(lasts)}"
        return EngineUnusable(message, error.cause)

    def _meaning(self, error: BaseException) -> EngineError:
        server = self._server
        if isinstance(error, (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError)):
            return EngineUnusable(f"{self._where}: {error}\n{CERTIFICATE}", "certificate")
        if isinstance(error, ValueError):
            return EngineUnusable(f"{self._where}: this is not a usable address ({error!r})", "bad-url")
        if isinstance(error, aiohttp.ClientHttpProxyError) and error.status == 407 and server.proxy is not None:
            return _wants_password(server.proxy)
        if isinstance(
            error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | aiohttp.ClientHttpProxyError
        ):
            return self._unreachable(error)
        if isinstance(error, aiohttp.ServerTimeoutError):
            return TransientError(f"{self._where}: no more bytes arrived in time", "timeout")
        if isinstance(error, asyncio.TimeoutError):
            return TransientError(f"{self._where}: the reply was not finished in time", "timeout")
        return TransientError(f"{self._where}: the connection broke: {error!r}", "connection")

    def _unreachable(self, error: BaseException) -> EngineError:
        server, self._server.dead = self._server, True
        if server.proxy is not None:
            message = _proxy_fails(server, error)
        else:
            message = f"nothing answers at {server.name} ({error}). {_NOBODY}"
        if not server.proven and all(other.dead for other in self._others):
            return EngineUnusable(message, "no-server" if server.proxy is None else "no-proxy")
        return TransientError(message if server.proxy is not None else f"{self._where}: {error}", "connection")

    def _through(self, error: EngineError) -> EngineError:
        """The error, with a note if a proxy may have answered instead of the server."""
        is_gateways = error.cause in {"http 502", "http 503", "http 504"}
        if self._server.proxy is None or not (is_gateways or isinstance(error, EngineUnusable)):
            return error
        return reworded(error, f"{error}\nThe call went through {self._server.proxy}")


def reworded(error: EngineError, words: str) -> EngineError:
    """The same error with another message."""
    if isinstance(error, TransientError):
        return TransientError(words, error.cause, error.retry_after)
    return (RequestRefused if isinstance(error, RequestRefused) else EngineUnusable)(words, error.cause)


def _wants_password(proxy: Proxy) -> EngineUnusable:
    return EngineUnusable(
        f"{proxy} requires a user name and a password: put them into {proxy.variable}, as http://NAME:PASSWORD@HOST:PORT",
        "proxy",
    )


def _proxy_fails(server: Server, error: BaseException) -> str:
    assert server.proxy is not None
    host, _ = host_and_port(server.url)
    if isinstance(error, aiohttp.ClientHttpProxyError):
        does = f"does not connect to {host}: it answers {error.status} {error.message}".rstrip()
    else:
        does = f"does not answer ({error})"
    return f"{server.proxy} {does}; {server.proxy.way_out(host)}"
