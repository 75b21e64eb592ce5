"""Assembles a completion from a whole body or a stream. Pure.

Decides when a reply is complete, its finish reason if the server sends none, and its maximum size. An incomplete reply
is a transient error (`Garbled`).
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from promptcot.core.parsing.replies import ended
from promptcot.engines.openai.events import Events, begins_stream, may_begin_stream
from promptcot.engines.openai.messages import Said, read_message
from promptcot.engines.openai.payload import Garbled, parse_json
from promptcot.engines.openai.reasoning import together
from promptcot.engines.openai.refusals import failure_in_body
from promptcot.printable import quoted
from promptcot.records import CONTENT_FILTER, INTERRUPTED, LENGTH, STOP, UNSTATED, Completion, finish_of

# A token has about 4 characters, rarely more than 30. In a stream each token is in an object of about 300 bytes,
# or 700 if a server adds filters and log-probabilities. The rest is for other content from servers.
_TEXT_OF_TOKEN, _BYTES_OF_TOKEN, _BESIDES = 64, 1024, 1 << 20
_BEFORE, _JSON = b"\xef\xbb\xbf \t\r\n", b"{["
_NONE_YET = object()
_NAMES_OF_ERROR = frozenset({"code", "type", "status"})
_UNREADABLE = (KeyError, IndexError, TypeError, AttributeError, ValueError, RecursionError)


def gather(reply: Mapping[str, Any]) -> Gathered:
    """The completion in a whole body. Raises Garbled, or the error that the body contains."""
    if not reply.get("choices") and (error := _error_in(reply)) is not None:
        raise failure_in_body(error)
    try:
        choice = reply["choices"][0]
        if choice.get("error"):
            raise failure_in_body(choice["error"])
        gathered = Gathered(choice.get("finish_reason"), reply.get("usage") or {}, whole=True)
        gathered.add(read_message(choice.get("message") or choice.get("delta") or {"content": choice.get("text")}))
    except _UNREADABLE as error:
        cause = "broken-off" if "choices" in reply else "garbled"  # a body with choices follows this protocol
        raise Garbled(f"the reply has no readable choice: {quoted(repr(error))}", cause) from error
    return gathered


def _error_in(body: Mapping[str, Any]) -> Any:
    """The error in a body with status 200; None if there is none."""
    if body.get("object") == "error":
        return body
    is_bare = isinstance(body.get("message"), str) and not _NAMES_OF_ERROR.isdisjoint(body)
    return body if is_bare and not body.keys() & {"choices", "error"} else body.get("error")


@dataclass
class Gathered:
    """A reply in assembly, from one message or from the pieces of a stream.

    It is `whole` when nothing more can come: it was one body, or the stream sent `[DONE]`.
    """

    finish_reason: Any = None
    usage: Any = field(default_factory=dict)
    whole: bool = False
    _text: list[str] = field(default_factory=list)
    _reasoning: list[str] = field(default_factory=list)
    _refusal: list[str] = field(default_factory=list)
    _index: Any = _NONE_YET
    _others: bool = False
    _text_size: int = 0
    _reasoning_size: int = 0

    @property
    def size(self) -> int:
        """The number of characters so far."""
        return self._text_size + self._reasoning_size

    def add_event(self, event: Any) -> None:
        """Add one event of a stream, or a list of them. Raises Garbled, or the error in it."""
        try:
            for one in event if isinstance(event, list) else [event]:
                if one is not None:
                    self._add_event(one)
        except _UNREADABLE as error:
            raise Garbled(
                f"the stream contains an event that is not part of a reply: {reprlib.repr(event)}", "broken-off"
            ) from error

    def _add_event(self, event: Mapping[str, Any]) -> None:
        if error := _error_in(event):
            raise failure_in_body(error)
        self.usage = event.get("usage") or self.usage
        for choice in event.get("choices") or ():
            if not self._is_ours(choice.get("index") or 0):
                continue
            if choice.get("error"):
                raise failure_in_body(choice["error"])
            self._ends(choice.get("finish_reason"))
            if delta := choice.get("delta"):
                self.add(read_message(delta))
            elif message := choice.get("message"):
                self._add_message(read_message(message))
            else:
                self.add(Said(choice.get("text") or ""))

    def _is_ours(self, index: Any) -> bool:
        """Whether a choice belongs to the reply that came first: if `extra_body` requests several, one is read."""
        if self._index is _NONE_YET:
            self._index = index
        self._others |= index != self._index
        return bool(index == self._index)

    def _ends(self, reason: Any) -> None:
        """Record the finish reason. `stop` does not override an earlier one."""
        word = finish_of(reason)
        if word != UNSTATED and (word != STOP or self.finish_reason is None):
            self.finish_reason = reason

    def add(self, said: Said) -> None:
        """Add the next piece."""
        if said.text:
            self._text.append(said.text)
            self._text_size += len(said.text)
        if said.reasoning:
            self._reasoning.append(said.reasoning)
            self._reasoning_size += len(said.reasoning)
        if said.refusal:
            self._refusal.append(said.refusal)
            self._text_size += len(said.refusal)

    def _add_message(self, said: Said) -> None:
        """Add a message in a stream: the next piece, or the whole text, of which only the new part is added."""
        text = _new(said.text, self._text, self._text_size)
        self.add(Said(text, _new(said.reasoning, self._reasoning, self._reasoning_size), said.refusal))

    def completion(self, limit: int | None = None) -> Completion:
        """The completion, of a reply that may have `limit` tokens, with the thinking once in front and without end
        tokens.

        Refused content is a reply too, and may have been paid for: its finish reason is `CONTENT_FILTER`. A complete
        reply without a finish reason counts as truncated if it has the maximum length. Raises Garbled if it is
        incomplete.
        """
        prompt, tokens = self._count("prompt_tokens"), self._count("completion_tokens")
        reason = finish_of(self.finish_reason)
        if self._refusal or reason == CONTENT_FILTER:
            return Completion("".join(self._refusal or self._text), CONTENT_FILTER, prompt, tokens)
        if reason == INTERRUPTED:
            raise Garbled(
                f"the server ended the reply before the model finished: {str(self.finish_reason)[:40]}", INTERRUPTED
            )
        if reason == UNSTATED and (self._others or not self.whole):
            raise Garbled("the reply ends before the model finished", "broken-off")
        if reason == UNSTATED and not (self.size or self._refusal):
            raise Garbled("the reply is empty and gives no reason", "broken-off")
        if reason == UNSTATED and limit and tokens is not None and tokens >= limit:
            reason = LENGTH
        text = together("".join(self._reasoning), "".join(self._text))
        return ended(Completion(text, reason, prompt, tokens))

    def _count(self, name: str) -> int | None:
        count = self.usage.get(name) if isinstance(self.usage, Mapping) else None
        return count if isinstance(count, int) and not isinstance(count, bool) and 0 <= count < 1 << 63 else None


def _new(words: str, before: list[str], size: int) -> str:
    """The new part of a text that may repeat everything before it; a shorter text cannot."""
    return words.removeprefix("".join(before)) if len(words) >= size else words


def before_stops(reply: Completion, stops: Sequence[str]) -> Completion:
    """A reply up to one of the `stops`, which some servers leave in the text."""
    if not stops or reply.finish_reason != STOP:
        return reply
    thinking, close, answer = reply.text.rpartition("</think>")
    end = min((place for stop in stops if (place := answer.find(stop)) >= 0), default=len(answer))
    return replace(reply, text=thinking + close + answer[:end])


class Incoming:
    """A reply as its bytes arrive: a stream of events or one body, detected from the content, whatever its content
    type.

    It may have `limit` tokens; more bytes than such a reply can have are refused.
    """

    def __init__(self, limit: int, content_type: str) -> None:
        self._limit, self._kind = limit, content_type
        self._size = 0
        self._head = b""
        self._body: list[bytes] | None = None
        self._events: Events | None = None
        self._gathered = Gathered()

    def feed(self, piece: bytes) -> bool:
        """Add some bytes; returns whether the reply is complete. Raises Garbled, or the error in it."""
        self._size += len(piece)
        if self._size > _BESIDES + _BYTES_OF_TOKEN * self._limit:
            raise self._too_large()
        if self._body is not None:
            self._body.append(piece)
        elif self._events is not None:
            self._add(self._events.feed(piece))
        else:
            self._begin(piece)
        return self._gathered.whole

    def end(self) -> Gathered:
        """The reply, after the last bytes. Raises Garbled, or the error in it."""
        if self._events is None and (self._body is not None or self._kind != "text/event-stream"):
            return gather(parse_json(b"".join(self._body or [self._head]), self._kind))
        if self._events is not None and not self._events.done:
            self._add(self._events.end())
        return self._gathered

    def _begin(self, piece: bytes) -> None:
        """Detect which of the two it is; skips what may precede either."""
        data = self._head = (self._head + piece).lstrip(_BEFORE)
        if not data:
            return
        of_events = self._kind == "text/event-stream" and data[0] not in _JSON
        if of_events or begins_stream(data):
            self._events = Events()
            self._add(self._events.feed(data))
        elif not may_begin_stream(data):
            self._body = [data]

    def _add(self, values: list[Any]) -> None:
        assert self._events is not None
        for value in values:
            self._gathered.add_event(value)
        if self._gathered.size > _BESIDES + _TEXT_OF_TOKEN * self._limit:
            raise self._too_large()
        self._gathered.whole = self._events.done

    def _too_large(self) -> Garbled:
        return Garbled(f"the server sends more than a reply of {self._limit:,} tokens can be", "too-large")
