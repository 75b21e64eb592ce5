"""Classifies the errors of servers as transient, per-request or fatal. Pure.

The tables at the top hold the phrases of many servers, and tests/cases/refusals.jsonl holds their meanings. This module
also defines how our own servers send an error, so that the client restores it exactly.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from promptcot.engines.openai.limits import room_left
from promptcot.engines.openai.payload import start_of
from promptcot.errors import EngineError, EngineUnusable, RequestRefused, TransientError
from promptcot.storage.json import dumps, loads

_NO_SERVICE = {401: "unauthorised", 402: "no-credit", 403: "forbidden", 404: "not-found", 405: "not-found"}
_FOR_NOW = {408, 409, 425, 429}
_OVER_LONG = (
    *("context length", "context window", "context size", "context limit", "maximum context", "maximum model length"),
    *("too long", "too many tokens", "maximum allowed length", "maximum allowed input length", "maximum prompt length"),
    *(
        "`max_new_tokens` must be",
        "`inputs` must have less than",
        "exceeds the maximum number of tokens",
        "token limit",
    ),
    *("range of input length", "reduce the length of the", "exceeds max length", "prompt exceeds"),
)
# These phrases count with any status; llama.cpp has sent 500 with them.
_SURELY_OVER_LONG = ("exceed_context_size_error", "context_length_exceeded", "contextwindowexceedederror")
_FORBIDDEN_CONTENT = ("moderation", "flagged", "content policy", "content_policy", "content management", "safety")
# Only near the word "model": an error may quote a row's text, and "does not exist" is common in mathematics.
_UNKNOWN_MODEL = re.compile(
    r"model\b.{0,120}?(does not exist|not found|not exist\b|is not available)|(unknown|no such|invalid) model"
    r"|server is pinned to '[^']*'; requested",  # transformers serve
    re.IGNORECASE,
)
_LONGEST_WAIT = 600.0
_NO_KEY = ("api key not valid", "invalid api key", "api_key_invalid", "invalid_api_key")
_NO_TEMPLATE = re.compile(r"(no|default|provide a|without a|have a|set|missing) chat[ _]template", re.IGNORECASE)
_QUOTA = ("insufficient_quota", "billing_hard_limit_reached", "exceeded your current quota")

_QUOTED = r"[\[({'\"`]*(?P<field>[a-z]\w*)"
# Phrases used only for a field that is not accepted.
_UNKNOWN_FIELD = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"unsupported[ _](?:parameter|argument)(?:s|\(s\))?\W*(?:{_QUOTED})?",
        rf"unsupported[ _]value\W*(?:{_QUOTED}['\"`] does not support)",
        rf"(?:unknown|unrecognized|unexpected|invalid|extra) (?:request )?(?:keyword )?(?:parameter|field|name|argument"
        rf"|key|property)s?(?: supplied| provided| in the request)?:? {_QUOTED}['\"`]",
        rf"unrecognized request arguments? supplied: {_QUOTED}",
        r"(?:(?P<field>\w+)['\"]?\]?: )?extra (?:inputs|fields) (?:are )?not permitted",
        rf"extraneous key {_QUOTED}\W* is not permitted",
        rf"additional properties are not allowed {_QUOTED}",
        rf"does not support (?:the )?(?:parameter|field|argument)s?:? {_QUOTED}",
        rf"argument not supported(?: on this model)?: {_QUOTED}",
    )
]
# Phrases that also have other uses: they count if they name a field that we send.
_SENT = (
    "temperature|seed|top_p|top_k|min_p|(?:repetition|presence|frequency)_penalty|stop|stream|stream_options|n|logprobs"
    "|max_tokens|max_completion_tokens|add_special_tokens|chat_template_kwargs|reasoning_effort"
)
_UNKNOWN_FIELD += [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b(?P<field>{_SENT})\b['\"`]?(?: parameter| field| property| and ['\"`]?\w+['\"`]?)? (?:(?:is|are) (?:"
        r"unsupported|unknown|unrecogni[sz]ed|deprecated|not (?:supported|allowed|permitted|enabled|recogni[sz]ed"
        r"|implemented|a valid))|was unexpected|does not support|cannot both be specified)",
        r"(?:unsupported|unexpected|unknown|unrecogni[sz]ed) (?:\w+ )?(?:parameter|field|argument|key|property)s?"
        rf"\W{{1,4}}(?P<field>{_SENT})\b",
        r"\b(?:does|do) not (?:support|accept|recogni[sz]e) (?:the )?(?:(?:parameter|field|argument)s? )?['\"`]?"
        rf"(?P<field>{_SENT})\b(?!['\"`]? ?(?:[<>=\d]|values?|above|over|greater|larger|more|of)\b)",
    )
]
_FIELD_CODES = ("unsupported_parameter", "unknown_parameter", "extra_forbidden")
_NAME_OF_LIMIT = (
    " For models that want another name for max_tokens: --omit max_tokens --extra-body "
    "'{\"max_completion_tokens\": 16384}'"
)


def failure(status: int, data: bytes, retry_after: float | None, url: str) -> EngineError:
    """The error for an HTTP status, with the server's message."""
    if (own := read_error(data)) is not None:
        return own
    words, code = _words(data)
    message = f"{url} answers {status}: {words}"
    if status == 429 and _mentions(_QUOTA, words, code):
        return EngineUnusable(f"{message}\nThe account has no quota left; raise it, or use another key", "no-credit")
    if status == 401 or (status == 400 and _mentions(_NO_KEY, words, code)):
        return EngineUnusable(message, "unauthorised")
    if retry_after is not None and retry_after > _LONGEST_WAIT:
        minutes = f"{retry_after / 60:,.0f} minutes"
        return EngineUnusable(
            f"{message}\nThe server asks clients to wait {minutes}: run the same command again then", "wait"
        )
    if status != 429 and _mentions(_SURELY_OVER_LONG, words, code):
        return RequestRefused(message, "over-long")
    if status in _FOR_NOW or status >= 500:
        return TransientError(message, f"http {status}", retry_after)
    return _refusal(status, words, code, message)


def _refusal(status: int, words: str, code: str, told: str) -> EngineError:
    """The error for a status below 500, which a retry would not change."""
    if status == 400 and _NO_TEMPLATE.search(words):
        way_out = "Use raw prompts (chat = false, no --use_chat_template), or give the server a template"
        return EngineUnusable(f"{told}\n{way_out}", "no-chat-template")
    if status in (400, 422) and (omit := _field_refused(words, code)):
        return EngineUnusable(f"{told}\n{omit}", "unknown-field")
    if status in (400, 422) and (_UNKNOWN_MODEL.search(words) or "model_not_found" in code):
        return EngineUnusable(told, "unknown-model")
    if status == 413 or _is_over_long(status, words, code):
        return RequestRefused(told, "over-long")
    if _mentions(_FORBIDDEN_CONTENT, words, code):
        return RequestRefused(told, "content-refused")
    if status in _NO_SERVICE:
        return EngineUnusable(told, _NO_SERVICE[status])
    if status < 400:
        return EngineUnusable(f"{told}\nThe server redirects; give the new address as the base URL", "moved")
    return RequestRefused(told, f"http {status}")


def _is_over_long(status: int, words: str, code: str) -> bool:
    return _mentions(_OVER_LONG, words, code) or (status in (400, 422) and room_left(words) is not None)


def _field_refused(words: str, code: str) -> str | None:
    """Advice for a field that the server does not accept; None if the message says something else."""
    found = next((match for pattern in _UNKNOWN_FIELD if (match := pattern.search(words))), None)
    if found is None and not _mentions(_FIELD_CODES, words, code):
        return None
    field: str | None = found and found.groupdict().get("field")
    if field is None:
        return f'Omit the fields that the server does not accept: omit = ["seed"], --omit seed.{_NAME_OF_LIMIT}'
    if field == "messages":
        return None  # a role, or a part of one: there is no field to omit
    return f'Omit the field that the server does not accept: --omit {field}, or omit = ["{field}"] in a recipe.' + (
        _NAME_OF_LIMIT if field == "max_tokens" else ""
    )


_ERRORS = {one.__name__: one for one in (TransientError, RequestRefused, EngineUnusable)}


def error_body(error: EngineError) -> dict[str, Any]:
    """The body in which our servers send an engine's error; `read_error` reads it."""
    known = next((name for name, kind in _ERRORS.items() if isinstance(error, kind)), EngineUnusable.__name__)
    after = getattr(error, "retry_after", None)
    return {"error": {"message": str(error), "type": known, "code": error.cause, "promptcot": {"retry_after": after}}}


def read_error(data: bytes) -> EngineError | None:
    """The exact error of an engine behind one of our own servers; None for other servers."""
    if b'"promptcot"' not in data:
        return None
    try:
        error = loads(data)["error"]
        kind, after = _ERRORS[error["type"]], error["promptcot"]["retry_after"]
    except (ValueError, KeyError, TypeError):
        return None
    made = kind(str(error["message"]), str(error["code"]))
    if isinstance(made, TransientError) and isinstance(after, (int, float)) and 0 <= after <= _LONGEST_WAIT:
        made.retry_after = after
    return made


def failure_in_body(error: Any) -> EngineError:
    """The error in a body with status 200, as some gateways send it, and all servers within a stream."""
    try:
        data = dumps({"error": error})
    except RecursionError:
        return TransientError("the server answers with an error that is nested too deeply", "http 500")
    status = _status_in(error)
    if status is None:
        status = 400 if _is_over_long(400, *_words(data)) else 500
    return failure(status, data, None, "the server")


def _status_in(error: Any) -> int | None:
    """The HTTP status that an error names."""
    if not isinstance(error, Mapping):
        return None
    for name in ("code", "status", "status_code", "http_status_code"):
        code = error.get(name)
        if isinstance(code, str) and re.fullmatch(r"[45]\d\d", code):
            return int(code)
        if isinstance(code, int) and 400 <= code < 600:
            return code
    return None


def _words(data: bytes) -> tuple[str, str]:
    """A server's error message, shortened, with its code and type."""
    try:
        value = loads(data)
        value = value[0] if isinstance(value, list) and value and isinstance(value[0], dict) else value
        error = value.get("error", value)
        text = error.get("message") or _detail(value) or error if isinstance(error, dict) else error
        code = f"{error.get('code')} {error.get('type')}" if isinstance(error, dict) else ""
        return start_of(str(text).encode(errors="replace")), code
    except (ValueError, AttributeError, RecursionError):
        return start_of(data), ""


def _detail(body: Mapping[str, Any]) -> Any:
    """FastAPI's message. Its list of mistakes quotes the request, which could be mistaken for the message."""
    detail = body.get("detail")
    if not isinstance(detail, list):
        return detail
    return "; ".join(f"{part.get('loc')}: {part.get('msg')}" for part in detail if isinstance(part, Mapping))


def _mentions(signs: Sequence[str], words: str, code: str) -> bool:
    said = f"{words} {code}".lower()
    return any(sign in said for sign in signs)
