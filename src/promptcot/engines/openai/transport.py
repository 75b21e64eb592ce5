"""How bytes travel to OpenAI-compatible servers: connections, time limits, the choice among several base URLs.

Turns what can go wrong on the way into the three kinds of `EngineError`. Until a server has answered once, what looks
like a wrong address stops everything; afterwards the same is a fault of the moment. Long replies are streamed, so that
a connection that died is noticed at once and proxies see traffic.
"""

from __future__ import annotations

import asyncio
import math
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, cast
from urllib.parse import urlsplit

import aiohttp

from promptcot.engines.openai.diagnosis import CERTIFICATE, read_some
from promptcot.engines.openai.payload import Garbled, parse_json
from promptcot.engines.openai.refusals import failure
from promptcot.engines.openai.replies import Gathered, Incoming
from promptcot.errors import EngineError, EngineUnusable, RequestRefused, TransientError
from promptcot.storage.json import dumps

_CONNECT = 20.0
_SLOWEST = 10  # tokens a second of a reply that comes in one piece
_SILENCE = 300.0
_LONGEST_AWAY = 60.0
_PASSING = {"not-found", "forbidden", "not-a-server"}
_MOST_OF_ERROR = 1 << 16
_MOST_OF_BODY = 1 << 26  # vectors, and the log-probabilities of a prompt: no reply of a model is that long


@dataclass
class Server:
    """One base URL, called `name` in errors. `proven` once it has answered a call; `failures` counts those since; it is
    left alone meanwhile. `calls` are under way there; they end when it is `lost`.
    """

    url: str
    proxy: str | None
    name: str
    in_flight: int = 0
    proven: bool = False
    away_until: float = 0.0
    failures: int = 0
    dead: bool = False
    lost: bool = False
    calls: set[asyncio.Task[Any]] = field(default_factory=set)


class Transport:
    """Posts JSON to the least busy of some servers. Make and use it in one event loop.

    Servers of our own have a `name` for errors, since their addresses differ from run to run, and no proxy before them.
    """

    def __init__(
        self, base_urls: Sequence[str], key: str | None, idle_timeout: float | None = None, name: str | None = None
    ) -> None:
        self._name = name
        self.has_time = False
        """Whether a reply may take as long as it likes."""
        self.servers = [self._server(url) for url in base_urls]
        self._known = {server.url: server for server in self.servers}
        self._idle_timeout = idle_timeout
        self._key = _checked(key)
        self._headers = {"Content-Type": "application/json"} | (
            {"Authorization": f"Bearer {self._key}"} if self._key else {}
        )
        self._session: aiohttp.ClientSession | None = None

    def serve(self, base_urls: Sequence[str]) -> None:
        """From now on ask these servers; what is known about those that stay is kept. Calls to others go on."""
        leaving = {url: server for url, server in self._known.items() if server.in_flight}
        self.servers = [self._known.get(url) or self._server(url) for url in base_urls]
        self._known = leaving | {server.url: server for server in self.servers}

    def lose(self, url: str) -> None:
        """A server is gone: calls under way there fail at once, with TransientError."""
        if (server := self._known.pop(url, None)) is not None:
            server.lost = True
            for task in server.calls:
                task.cancel()
        self.servers = [server for server in self.servers if server.url != url]

    def calls_at(self, url: str) -> int:
        """How many calls a server is working on."""
        return self._known[url].in_flight if url in self._known else 0

    def _server(self, url: str) -> Server:
        return Server(url, None if self._name else _proxy(url), self._name or url)

    @property
    def session(self) -> aiohttp.ClientSession:
        """The connections, opened when they are first needed."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=300, keepalive_timeout=30), headers=self._headers
            )
        return self._session

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def post(self, path: str, body: Any) -> dict[str, Any]:
        """The object that a server answers. Raises EngineError."""
        server = self._choose()
        async with _Way(server, path, self.servers), self._request(server, path, body, 0) as response:
            await _good(response, server)
            data = await read_some(response, _MOST_OF_BODY)
            if len(data) >= _MOST_OF_BODY:
                raise Garbled(f"the server sends more than {_MOST_OF_BODY:,} bytes", "too-large")
            return parse_json(data, response.content_type)

    async def reply(self, path: str, body: Any, max_tokens: int) -> Gathered:
        """A reply of at most so many tokens, put together. Raises EngineError.

        Whether it comes in one piece or as a stream is for the server to say: not all do as they are asked.
        """
        server = self._choose()
        async with _Way(server, path, self.servers), self._request(server, path, body, max_tokens) as response:
            await _good(response, server)
            incoming = Incoming(max_tokens, response.content_type)
            async for piece in response.content.iter_any():
                if incoming.feed(piece):
                    break
            return incoming.end()

    def without_key(self, error: EngineError) -> EngineError:
        """The error; a key that a server repeated in its words is not repeated by us."""
        if self._key is None or self._key not in str(error):
            return error
        words = str(error).replace(self._key, "***")
        if isinstance(error, TransientError):
            return TransientError(words, error.cause, error.retry_after)
        return (RequestRefused if isinstance(error, RequestRefused) else EngineUnusable)(words, error.cause)

    def _choose(self) -> Server:
        if len(self.servers) == 1:
            return self.servers[0]
        if not self.servers:
            raise TransientError(f"{self._name}: no server is left", "server ended")
        now = time.monotonic()
        return min(self.servers, key=lambda server: (server.away_until > now, server.in_flight))

    def _request(self, server: Server, path: str, body: Any, max_tokens: int) -> Any:
        url = server_root(server.url) + path if path == "/tokenize" else server.url + path
        return self.session.post(
            url,
            data=dumps(body),
            timeout=_NO_LIMIT if self.has_time else _timeout(max_tokens, "stream" in body, self._idle_timeout),
            allow_redirects=False,
            proxy=server.proxy,
        )


_NO_LIMIT = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT)


@lru_cache(maxsize=64)
def _timeout(max_tokens: int, streamed: bool, idle: float | None) -> aiohttp.ClientTimeout:
    """A silence of five minutes ends a call; a reply in one piece is silent as long as the model writes."""
    whole = 2 * _SILENCE + 5 * max_tokens / _SLOWEST
    if streamed or idle:
        return aiohttp.ClientTimeout(total=whole, sock_connect=_CONNECT, sock_read=idle or _SILENCE)
    return aiohttp.ClientTimeout(total=_SILENCE + max_tokens / _SLOWEST, sock_connect=_CONNECT)


class _Way:
    """A call on its way to a server: what breaks gets its meaning, and the server its reputation.

    A server that does not answer is away where there are `others`, and a wrong address where none does.
    """

    def __init__(self, server: Server, path: str, others: Sequence[Server]) -> None:
        self._server = server
        self._where = server.url + path if server.name == server.url else server.name
        self._others = others

    async def __aenter__(self) -> None:
        self._server.in_flight += 1
        self._task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._server.calls.add(self._task)

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._server.in_flight -= 1
        self._server.calls.discard(self._task)
        if error is None:
            self._server.proven, self._server.dead, self._server.failures = True, False, 0
            return
        meant = self._meant(error)
        if isinstance(meant, TransientError):
            self._leave_alone(meant)
        if meant is not None and meant is not error:
            raise meant from (error if not isinstance(error, EngineError) else None)

    def _meant(self, error: BaseException) -> EngineError | None:
        if self._server.lost and isinstance(error, asyncio.CancelledError) and not self._task.uncancel():
            return TransientError(f"{self._where}: the server was lost", "server ended")
        if isinstance(error, Garbled) and not self._server.proven and error.cause == "garbled":
            return EngineUnusable(f"{self._where}: {error}", "not-a-server")
        if isinstance(error, EngineUnusable) and self._server.proven and error.cause in _PASSING:
            return TransientError(str(error), error.cause)
        if isinstance(error, EngineError):
            return error
        if isinstance(error, (aiohttp.ClientError, asyncio.TimeoutError, OSError, ValueError)):
            return self._meaning(error)
        return None

    def _leave_alone(self, error: TransientError) -> None:
        """Let the others have the next calls, for a while that doubles: one that fails at once looks idle."""
        self._server.failures += 1
        pause = min(_LONGEST_AWAY, 2.0 ** min(self._server.failures, 10) / 2)
        self._server.away_until = time.monotonic() + max(pause, min(error.retry_after or 0.0, _LONGEST_AWAY))

    def _meaning(self, error: BaseException) -> EngineError:
        if isinstance(error, (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError)):
            return EngineUnusable(f"{self._where}: {error}\n{CERTIFICATE}", "certificate")
        if isinstance(error, ValueError):
            return EngineUnusable(f"{self._where}: this is no address that can be asked ({error!r})", "bad-url")
        if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
            self._server.dead = True
            if not self._server.proven and all(other.dead for other in self._others):
                return EngineUnusable(f"nothing answers at {self._server.name} ({error}). {_NOBODY}", "no-server")
            return TransientError(f"{self._where}: {error}", "connection")
        if isinstance(error, asyncio.TimeoutError):
            return TransientError(f"{self._where}: no more bytes came in time", "timeout")
        return TransientError(f"{self._where}: the connection broke: {error!r}", "connection")


_NOBODY = "Is the server running, and is the address right? `promptcot doctor --base-url URL` looks into it"


def _checked(key: str | None) -> str | None:
    """A key that can stand in a header. Raises EngineUnusable."""
    key = key.strip() if key else None
    if key and not key.isprintable():
        raise EngineUnusable("the key of the server has a line break or a control character in it", "unauthorised")
    return key or None


async def _good(response: aiohttp.ClientResponse, server: Server) -> None:
    """Go on if the status is 200. Raises what another one means."""
    if response.status == 200:
        return
    data = await read_some(response, _MOST_OF_ERROR)
    response.close()  # what is left of an endless error is not worth reading
    where = str(response.url) if server.name == server.url else server.name
    raise failure(response.status, data, retry_after(response.headers.get("Retry-After")), where)


def retry_after(header: str | None) -> float | None:
    """Seconds that a `Retry-After` header asks for: a number, or a date (RFC 9110, section 10.2.3)."""
    if header is None:
        return None
    try:
        seconds = float(header)
        return max(0.0, seconds) if math.isfinite(seconds) else None
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except ValueError:
        return None


def server_root(base_url: str) -> str:
    """The base URL without its version: where vLLM has what OpenAI's protocol lacks."""
    return base_url.removesuffix("/v1")


def _proxy(url: str) -> str | None:
    """The proxy that the environment names for this address. Asked once: aiohttp would ask for every request."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None  # whoever asks this address is told what is wrong with it
    if not parts.hostname or urllib.request.proxy_bypass(parts.hostname):
        return None
    return urllib.request.getproxies().get(parts.scheme)
