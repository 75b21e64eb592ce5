"""The words of the OpenAI protocol: whole and streamed replies, and what an error status means.

Pure. Decides which fault is the moment's, which the row's and which everybody's; when to try again is the runner's
affair, and how bytes travel that of `transport`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from promptcot.errors import EngineError, EngineUnusable, RequestRefused, TransientError
from promptcot.records import CONTENT_FILTER, Completion
from promptcot.storage.json import dumps, loads

_SHOWN = 500
_NO_SERVICE = {401: "unauthorised", 402: "no-credit", 403: "forbidden", 404: "not-found", 405: "not-found"}
_FOR_NOW = {408, 409, 425, 429}
_NOT_DONE = {None, "abort", "error"}  # the last two: a server that was stopped, a gateway whose server broke
_OVER_LONG = (
    "context length",
    "context window",
    "context size",
    "maximum context",
    "too long",
    "too many tokens",
    "maximum allowed length",
    "`max_new_tokens` must be",
)
_FORBIDDEN_CONTENT = ("moderation", "flagged", "content policy", "content_policy", "content management", "safety")
# Only where "model" stands close by: an error may quote a row's text, and "does not exist" is everyday mathematics.
_UNKNOWN_MODEL = re.compile(
    r"model\b.{0,120}?(does not exist|not found|not exist\b|is not available)|(unknown|no such|invalid) model",
    re.IGNORECASE,
)
_LONGEST_WAIT = 600.0
_NO_KEY = ("api key not valid", "invalid api key", "api_key_invalid", "invalid_api_key")
_NO_TEMPLATE = re.compile(r"(no|default|provide a|without a|have a|set|missing) chat[ _]template", re.IGNORECASE)
_UNKNOWN_FIELD = (
    "unsupported parameter",
    "unsupported_parameter",
    "unknown parameter",
    "unrecognized request argument",
    "extra inputs are not permitted",
    "extra_forbidden",
)
_OMIT = (
    'Leave out what the server does not take: omit = ["seed"], --omit seed. For models that want another name for '
    "max_tokens: --omit max_tokens --extra-body '{\"max_completion_tokens\": 16384}'"
)
_QUOTA = ("insufficient_quota", "billing_hard_limit_reached", "exceeded your current quota")


class Garbled(TransientError):
    """What came back is no reply of this protocol: HTML, cut JSON, a stream that ends too early."""


def parse_json(data: bytes, content_type: str) -> dict[str, Any]:
    """The object that a server sent. Raises Garbled, with the cause `broken-off` where it is JSON that was cut."""
    kind = content_type.partition(";")[0] or "no content type"
    cause = "garbled"
    try:
        found = _json(data)
        if isinstance(found, dict):
            return found
    except ValueError:
        cause = "broken-off" if kind.endswith("json") else cause
    raise Garbled(f"the reply is not a JSON object ({kind}): {_start(data)}", cause)


def _json(data: bytes) -> Any:
    """The value, by the quick reader, or by the one that also reads half a surrogate pair. Raises ValueError."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return loads(data)


def read_reply(reply: Mapping[str, Any]) -> Completion:
    """The completion in a whole reply. Raises Garbled, or what an error says."""
    return gather(reply).completion()


def gather(reply: Mapping[str, Any]) -> Gathered:
    """What a whole reply holds. Raises Garbled, or what an error says."""
    if "error" in reply and not reply.get("choices"):
        raise failure_in_body(reply["error"])
    try:
        choice = reply["choices"][0]
        usage = reply.get("usage") or {}
        gathered = Gathered(finish_reason=choice.get("finish_reason"), usage=usage)
        gathered.add(choice.get("message") or {"content": choice.get("text")})
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise Garbled(f"the reply has no choice that can be read: {error!r}", "garbled") from error
    return gathered


@dataclass
class Gathered:
    """A reply as it is put together, from one message or from the pieces of a stream."""

    finish_reason: str | None = None
    usage: Mapping[str, Any] = field(default_factory=dict)
    refusal: str = ""
    _text: list[str] = field(default_factory=list)
    _reasoning: list[str] = field(default_factory=list)

    def add_event(self, event: Mapping[str, Any]) -> None:
        """One event of a stream. Raises Garbled, or what an error in it says."""
        try:
            if event.get("error"):
                raise failure_in_body(event["error"])
            self.usage = event.get("usage") or self.usage
            for choice in event.get("choices") or ():
                self.finish_reason = choice.get("finish_reason") or self.finish_reason
                self.add(choice.get("delta") or {"content": choice.get("text")})
        except (AttributeError, TypeError) as error:
            raise Garbled(f"the stream holds what is no part of a reply: {str(event)[:200]}", "broken-off") from error

    def add(self, message: Mapping[str, Any]) -> None:
        """Text, and where a server parts it from the text, reasoning or a refusal."""
        self._text.append(_text_of(message.get("content")))
        self._reasoning.append(_text_of(message.get("reasoning_content") or message.get("reasoning")))
        self.refusal += _text_of(message.get("refusal"))

    def completion(self) -> Completion:
        """The whole. Reasoning that came apart is put back in front. Raises Garbled.

        Refused content is a reply too, and may have been paid for: its finish reason is `CONTENT_FILTER`.
        """
        if self.refusal or self.finish_reason == CONTENT_FILTER:
            words = self.refusal or "".join(self._text)
            return Completion(words, CONTENT_FILTER, self._count("prompt_tokens"), self._count("completion_tokens"))
        if self.finish_reason is None or self.finish_reason in _NOT_DONE:
            raise Garbled("the reply ends before the model did", "broken-off")
        text, reasoning = "".join(self._text), "".join(self._reasoning)
        if reasoning:
            text = f"<think>\n{reasoning.strip()}\n</think>\n\n{text}"
        return Completion(text, self.finish_reason, self._count("prompt_tokens"), self._count("completion_tokens"))

    def _count(self, name: str) -> int | None:
        count = self.usage.get(name) if isinstance(self.usage, Mapping) else None
        return count if isinstance(count, int) and not isinstance(count, bool) and count >= 0 else None


def _text_of(content: Any) -> str:
    """The text of a message: a string, or parts of which some hold text. Raises TypeError for anything else."""
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise TypeError(f"{type(content).__name__} is no text")
    return "".join(_text_of(part.get("text")) for part in content)


def failure(status: int, data: bytes, retry_after: float | None, url: str) -> EngineError:
    """The error that an HTTP status stands for, with the server's words."""
    if (own := read_error(data)) is not None:
        return own
    words, code = _words(data)
    told = f"{url} answers {status}: {words}"
    if status == 429 and _mentions(_QUOTA, words, code):
        return EngineUnusable(f"{told}\nThe account has no quota left; raise it, or use another key", "no-credit")
    if status == 401 or (status == 400 and _mentions(_NO_KEY, words, code)):
        return EngineUnusable(told, "unauthorised")
    if retry_after is not None and retry_after > _LONGEST_WAIT:
        minutes = f"{retry_after / 60:,.0f} minutes"
        return EngineUnusable(f"{told}\nThe server asks to wait {minutes}: run the same command again then", "wait")
    if status in _FOR_NOW or status >= 500:
        return TransientError(told, f"http {status}", retry_after)
    if status == 400 and _NO_TEMPLATE.search(words):
        way_out = "Ask with raw prompts (chat = false, no --use_chat_template), or give the server a template"
        return EngineUnusable(f"{told}\n{way_out}", "no-chat-template")
    if status in (400, 422) and _mentions(_UNKNOWN_FIELD, words, code):
        return EngineUnusable(f"{told}\n{_OMIT}", "unknown-field")
    if status in (400, 422) and (_UNKNOWN_MODEL.search(words) or "model_not_found" in code):
        return EngineUnusable(told, "unknown-model")
    if status == 413 or _mentions(_OVER_LONG, words, code):
        return RequestRefused(told, "over-long")
    if _mentions(_FORBIDDEN_CONTENT, words, code):
        return RequestRefused(told, "content-refused")
    if status in _NO_SERVICE:
        return EngineUnusable(told, _NO_SERVICE[status])
    if status < 400:
        return EngineUnusable(f"{told}\nIt points elsewhere; give the address it moved to as the base URL", "moved")
    return RequestRefused(told, f"http {status}")


_ERRORS = {one.__name__: one for one in (TransientError, RequestRefused, EngineUnusable)}


def error_body(error: EngineError) -> dict[str, Any]:
    """An engine's own error as our servers send it, and `read_error` reads it."""
    known = next((name for name, kind in _ERRORS.items() if isinstance(error, kind)), EngineUnusable.__name__)
    after = getattr(error, "retry_after", None)
    return {"error": {"message": str(error), "type": known, "code": error.cause, "promptcot": {"retry_after": after}}}


def read_error(data: bytes) -> EngineError | None:
    """The error of an engine behind one of our own servers, word for word; None for what others send."""
    if b'"promptcot"' not in data:
        return None
    try:
        error = loads(data)["error"]
        kind, after = _ERRORS[error["type"]], error["promptcot"]["retry_after"]
    except (ValueError, KeyError, TypeError):
        return None
    made = kind(str(error["message"]), str(error["code"]))
    if isinstance(made, TransientError):
        made.retry_after = after
    return made


def failure_in_body(error: Any) -> EngineError:
    """The error that came with status 200, as some gateways send them."""
    code = error.get("code") if isinstance(error, Mapping) else None
    status = code if isinstance(code, int) and 400 <= code < 600 else 500
    return failure(status, dumps({"error": error}), None, "the server")


_ROOM = re.compile(r"max_tokens=\d+ cannot be greater than max_model_len=(\d+)")
_CONTEXT = re.compile(r"maximum context length is (\d+) tokens.*?\((\d+) (?:in|of) ", re.DOTALL)


def room_left(words: str) -> int | None:
    """How many tokens a refusal of too large a `max_tokens` would have allowed, in the words of vLLM and OpenAI."""
    if found := _ROOM.search(words):
        return int(found[1])
    if found := _CONTEXT.search(words):
        room = int(found[1]) - int(found[2])
        return room if room > 0 else None
    return None


def _words(data: bytes) -> tuple[str, str]:
    """What a server says in an error, shortened, and its code."""
    try:
        found = loads(data)
        error = found.get("error", found)
        text = error.get("message") or _detail(found) or error if isinstance(error, dict) else error
        code = str(error.get("code") or error.get("type") or "") if isinstance(error, dict) else ""
        return _start(str(text).encode(errors="replace")), code
    except (ValueError, AttributeError):
        return _start(data), ""


def _detail(found: Mapping[str, Any]) -> Any:
    """FastAPI's words. Its list of mistakes quotes what was sent, which would be taken for the server's own words."""
    detail = found.get("detail")
    if not isinstance(detail, list):
        return detail
    return "; ".join(f"{part.get('loc')}: {part.get('msg')}" for part in detail if isinstance(part, Mapping))


def _start(data: bytes) -> str:
    text = " ".join(data[: 4 * _SHOWN].decode(errors="replace").split())
    return f"{text[:_SHOWN]} …" if len(text) > _SHOWN or len(data) > 4 * _SHOWN else text or "(nothing)"


def _mentions(signs: Sequence[str], words: str, code: str) -> bool:
    said = f"{words} {code}".lower()
    return any(sign in said for sign in signs)
