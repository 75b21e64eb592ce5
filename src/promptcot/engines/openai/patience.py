"""Timeouts of a call: for the server's queue, for silence after the first byte, and in total.

A server that queues calls sends nothing for a long time, or only the headers. The silence timeout therefore starts at
the first byte of the body, and the queue has a longer timeout of its own. A reply that is not streamed is sent only
when it is complete, so its generation time is added to the queue timeout. aiohttp has a single timeout between any two
bytes, which is changed here as soon as an answer begins: a timer for each call would cost more.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import aiohttp

from promptcot.core.units import duration
from promptcot.errors import TransientError

QUEUE = 1800.0
_CONNECT = 20.0
_SILENCE = 300.0
_SLOWEST = 10
"""Assumed tokens per second of a reply that is not streamed."""


@dataclass(frozen=True)
class Patience:
    """Timeouts in seconds: until an answer begins, for silence in it, and in total; None means no limit."""

    beginning: float | None = None
    silence: float | None = None
    whole: float | None = None

    @cached_property
    def timeout(self) -> aiohttp.ClientTimeout:
        """The initial timeout of a call for aiohttp."""
        return aiohttp.ClientTimeout(total=self.whole, sock_connect=_CONNECT, sock_read=self.beginning)


@lru_cache(maxsize=64)
def patience_for(max_tokens: int, streamed: bool, idle: float | None, queue: float | None) -> Patience:
    """Timeouts of a call with a maximum number of tokens; `idle` and `queue` are the user's settings, in seconds."""
    writing = max_tokens / _SLOWEST
    beginning = (queue or QUEUE) + (0.0 if streamed else writing)
    total = beginning + 2 * _SILENCE + (5 * writing if streamed else 0.0)
    # A reply in one piece has only the total timeout unless the user sets the queue's: a timer per call costs CPU.
    return Patience(beginning if queue or streamed else None, idle or _SILENCE, total)


class Asking:
    """A call from its sending to the end of its answer, for one `async with`. A class, since every call needs one.

    Raises TransientError with the cause `queue` if no answer begins in time, and aiohttp's errors.
    """

    __slots__ = ("_patience", "_response", "_sending", "_where")

    _response: aiohttp.ClientResponse

    def __init__(self, sending: Any, where: str, patience: Patience) -> None:
        self._sending, self._where, self._patience = sending, where, patience

    async def __aenter__(self) -> aiohttp.ClientResponse:
        try:
            self._response = await self._sending.__aenter__()
        except aiohttp.ConnectionTimeoutError:
            raise
        except TimeoutError as error:
            raise self._queued() from error
        self._listen()
        return self._response

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        await self._sending.__aexit__(kind, error, trace)
        if isinstance(error, TimeoutError) and not self._response.content.total_bytes:
            raise self._queued() from error

    def _listen(self) -> None:
        """Switch to the silence timeout at the next bytes; at once if part of the body has already arrived."""
        connection = self._response.connection
        if connection is None or connection.protocol is None or self._patience.silence is None:
            return
        connection.protocol.read_timeout = self._patience.silence
        if self._response.content.total_bytes:
            connection.protocol.start_timeout()

    def _queued(self) -> TransientError:
        waited = duration(self._patience.beginning or self._patience.whole or 0.0)
        return TransientError(
            f"{self._where}: a call waited {waited} in the server's queue, and no answer began. Give it fewer calls "
            "at a time (--concurrency), more servers (several --base-url), or more time (--queue-timeout)",
            "queue",
        )
