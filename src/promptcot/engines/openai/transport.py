"""HTTP transport to OpenAI-compatible servers: connections, timeouts, and the choice among several base URLs.

Long replies are streamed, so a dead connection is noticed at once and proxies see traffic. `servers` classifies network
errors, `patience` sets the timeouts, `proxies` chooses the proxy, and `waits` reads how long a server asks to wait.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import aiohttp

from promptcot.engines.openai.diagnosis import read_some
from promptcot.engines.openai.patience import Asking, Patience, patience_for
from promptcot.engines.openai.payload import Garbled, parse_json
from promptcot.engines.openai.proxies import proxy_for
from promptcot.engines.openai.refusals import failure
from promptcot.engines.openai.replies import Gathered, Incoming
from promptcot.engines.openai.servers import Server, Way
from promptcot.engines.openai.waits import requested_wait
from promptcot.errors import EngineUnusable, TransientError
from promptcot.recipe.addresses import below, server_root
from promptcot.redaction import Secrets, remember
from promptcot.storage.json import dumps

_MOST_OF_ERROR, _ERROR_WITHIN = 1 << 16, 20.0
_MOST_OF_BODY = 1 << 26  # for vectors and the log-probabilities of a prompt; no reply of a model is that long


class Transport:
    """Posts JSON to the least busy of several servers. Create and use it in one event loop.

    Our own servers have a `name` for errors, since their addresses differ from run to run, and use no proxy.
    """

    def __init__(
        self, base_urls: Sequence[str], key: str | None, idle_timeout: float | None = None, name: str | None = None
    ) -> None:
        self._name = name
        self.has_time = False
        """Whether a reply has no time limit."""
        self.servers = [self._server(url) for url in base_urls]
        self._known = {server.url: server for server in self.servers}
        self._idle_timeout = idle_timeout
        self.queue_timeout: float | None = None
        """Seconds until an answer must begin; None: half an hour."""
        key = _checked(key)
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        sent = [
            key or "",
            *(password for server in self.servers if server.proxy and (password := server.proxy.password)),
        ]
        remember(*sent)
        self.secrets = Secrets(sent)
        """Secrets that are sent to servers, and are removed from their replies."""
        self._session: aiohttp.ClientSession | None = None

    def serve(self, base_urls: Sequence[str]) -> None:
        """Use these servers from now on; the state of those that stay is kept. Calls to others continue."""
        leaving = {url: server for url, server in self._known.items() if server.in_flight}
        self.servers = [self._known.get(url) or self._server(url) for url in base_urls]
        self._known = leaving | {server.url: server for server in self.servers}

    def lose(self, url: str) -> None:
        """A server is lost: its calls in flight fail at once, with TransientError."""
        if (server := self._known.pop(url, None)) is not None:
            server.lost = True
            for task in server.calls:
                task.cancel()
        self.servers = [server for server in self.servers if server.url != url]

    def calls_at(self, url: str) -> int:
        """The number of calls in flight at a server."""
        return self._known[url].in_flight if url in self._known else 0

    def _server(self, url: str) -> Server:
        return Server(url, None if self._name else proxy_for(url), self._name or url)

    @property
    def session(self) -> aiohttp.ClientSession:
        """The connections, opened on first use."""
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
        """The object in a server's answer. Raises EngineError."""
        server = self._choose()
        async with Way(server, path, self.servers), self._request(server, path, body, 0) as response:
            await _good(response, server)
            data = await read_some(response, _MOST_OF_BODY)
            if len(data) >= _MOST_OF_BODY:
                raise Garbled(f"the server sends more than {_MOST_OF_BODY:,} bytes", "too-large")
            return parse_json(data, response.content_type)

    async def reply(self, path: str, body: Any, max_tokens: int) -> Gathered:
        """A reply of at most this many tokens, assembled. Raises EngineError.

        The server decides whether it streams: not all follow the request.
        """
        server = self._choose()
        async with Way(server, path, self.servers), self._request(server, path, body, max_tokens) as response:
            await _good(response, server)
            incoming = Incoming(max_tokens, response.content_type)
            while not response.content.at_eof() and not incoming.feed(await response.content.readany()):
                pass
            gathered = incoming.end()
            if isinstance(gathered.finish_reason, str):
                gathered.finish_reason = self.secrets.without(gathered.finish_reason)
            return gathered

    def _choose(self) -> Server:
        if len(self.servers) == 1:
            return self.servers[0]
        if not self.servers:
            raise TransientError(f"{self._name}: no server is left", "server ended")
        now = time.monotonic()
        return min(self.servers, key=lambda server: server.busy(now))

    def _request(self, server: Server, path: str, body: Any, max_tokens: int) -> Asking:
        url = below(server_root(server.url) if path == "/tokenize" else server.url, path)
        patience = self._patience(max_tokens, bool(body.get("stream")))
        sending = self.session.post(
            url, data=dumps(body), timeout=patience.timeout, allow_redirects=False, **_by(server)
        )
        return Asking(sending, server.shown(server.url), patience)

    def _patience(self, max_tokens: int, streamed: bool) -> Patience:
        if self.has_time:
            return Patience()
        return patience_for(max_tokens, streamed, self._idle_timeout, self.queue_timeout)

    def get(self, url: str, timeout: aiohttp.ClientTimeout) -> Any:
        """A GET request, sent in the same way as calls; for `async with`."""
        return self.session.get(url, timeout=timeout, allow_redirects=False, **_by(self._server(url)))


def _by(server: Server) -> dict[str, Any]:
    """The proxy arguments for aiohttp: the target of a TLS connection must not see the proxy's password."""
    if server.proxy is None:
        return {}
    whose = "proxy_headers" if server.url.startswith("https:") else "headers"
    auth = {"Proxy-Authorization": server.proxy.auth} if server.proxy.auth else {}
    return {"proxy": server.proxy.url, whose: auth}


def _checked(key: str | None) -> str | None:
    """A key that is valid in a header. Raises EngineUnusable."""
    key = key.strip() if key else None
    if key and not key.isprintable():
        raise EngineUnusable("the key of the server contains a line break or a control character", "unauthorised")
    return key or None


async def _good(response: aiohttp.ClientResponse, server: Server) -> None:
    """Return if the status is 200. Raises the error for any other."""
    if response.status == 200:
        return
    try:
        async with asyncio.timeout(_ERROR_WITHIN):
            data = await read_some(response, _MOST_OF_ERROR)
    except TimeoutError:
        data = b""  # the status is enough
    response.close()  # the rest of an endless error is not read
    where = str(response.url) if server.name == server.url else server.name
    raise failure(response.status, data, requested_wait(response.status, response.headers, data), where)
