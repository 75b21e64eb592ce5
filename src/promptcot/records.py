"""The data types that stages, engines and runners exchange.

A *row* is a plain JSON object. Stages add fields to it and keep those that they do not know. Requests and completions
are small frozen classes. Nothing here reads files, calls models or draws random numbers.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from typing import Any, Literal

import orjson

Row = dict[str, Any]
"""One line of a JSON Lines file."""

FinishReason = Literal["stop", "length"] | str
"""Why a model stopped: one of the words below, or a server's own word if none of them fits."""

STOP = "stop"
"""The model ended its reply."""

LENGTH = "length"
"""The reply was cut off: by `max_tokens`, or by the end of the context."""

SOURCE_INDEX = "source_index"
"""The field of rows of a sharded command: their position in the whole input."""

CONTENT_FILTER = "content_filter"
"""The server refused to write the reply, or the rest of it."""

TOOL_CALLS = "tool_calls"
"""The model called a tool, although none was offered."""

INTERRUPTED = "interrupted"
"""The server stopped before the model was done. Such a call is retried, and its reply is never reused."""

UNANSWERED = "unanswered"
"""No reply came, although other calls for the same row succeeded. Runners set it for a failed call; no journal has it.
"""

UNSTATED = "unstated"
"""A complete reply without a finish reason. It counts as finished."""

UNKNOWN = "unknown"
"""The finish reason is not a string. Like every unknown word, it does not count as finished."""

_NOTHING_SAID = {"", "null", "none", "nil", "undefined", UNSTATED}
# What servers call a complete reply, in lower case, letters and digits only. No other word counts as complete.
_STOPPED = {
    *("stop", "stopped", "stopsequence", "stoptoken", "stopword", "stopwords", "stopstring", "stopstringfound"),
    *("eos", "eostoken", "eosfound", "eot", "eottoken", "end", "endturn", "endofturn", "endoftext", "endofsequence"),
    *("complete", "completed", "finish", "finished", "done", "normal", "succeeded"),
}
# All other words are recognized by their root; the first that fits counts. None of these is a complete reply.
_UNFINISHED = (
    (
        CONTENT_FILTER,
        r"filter|safety|recitation|refus|prohibit|block|spii|sensitiv|guardrail|moderat|toxic|policy|armor",
    ),
    (TOOL_CALLS, r"tool|function"),
    (
        INTERRUPTED,
        r"abort|cancel|interrupt|error|exception|fail|insufficient|time(d?out|limit)|ratelimit|disconnect|shutdown|preempt"
        r"|evict|unload|overload|deadline|quota|restart|network|unavailable|crash|kill|userstop|outofmemory|notfinished|inprogress",
    ),
    (LENGTH, r"length|max|limit|context|trunc|capped|budget"),
)
_PREFIX = re.compile(r"(?:(?:finish|stop|done|completion)?reason(?:type)?)+(?=.)")
_WORD = re.compile(r"[a-z0-9_.:-]{1,60}")


def finish_of(word: object) -> FinishReason:
    """Our word for a server's finish reason.

    Servers use different words (`MAX_TOKENS`, `model_length`, `FINISH_REASON_STOP`, `end_turn`). An unknown word is
    kept in lower case and does not count as finished; a value that is not a string becomes `unknown`.
    """
    if word is None:
        return UNSTATED
    return _finish_of(word) if isinstance(word, str) and len(word) <= 100 else UNKNOWN


@lru_cache(maxsize=1024)
def _finish_of(word: str) -> FinishReason:
    own = "_".join(word.lower().split())
    if own in _NOTHING_SAID:
        return UNSTATED
    if not _WORD.fullmatch(own):
        return UNKNOWN
    bare = _PREFIX.sub("", re.sub(r"[^a-z0-9]", "", own), count=1)
    if bare in _STOPPED:
        return STOP
    family = next((kind for kind, roots in _UNFINISHED if re.search(roots, bare)), None)
    return family or own


def is_finished(word: object) -> bool:
    """Whether a reply with this finish reason is complete."""
    return finish_of(word) in (STOP, UNSTATED)


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """The sampling parameters. `temperature` 0 is greedy; `max_tokens` bounds the completion only.

    The text ends before the first of the `stop` strings. `top_k` is at least 1. `min_p` is a share of the likeliest
    token's probability. `presence_penalty` is subtracted from the logit of each token that the completion already has.
    None leaves these three to the server.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    max_tokens: int = 4096
    stop: tuple[str, ...] = ()
    top_k: int | None = None
    min_p: float | None = None
    presence_penalty: float | None = None


_MOST_EXAMPLES = 16  # replies may be long, and there may be many reasons
_KNOWN_BY = tuple(part.name for part in fields(Sampling) if part.name != "max_tokens")


@dataclass(frozen=True, slots=True)
class Request:
    """One call to a model: either a raw `prompt` or chat `messages`, never both.

    `sample` numbers the traces of one row; `attempt` counts the earlier requests whose reply could not be used. `seed`
    is unique to (run, row, sample, attempt), see `again`. `earlier` is the same request as earlier versions made it: a
    journaled reply to it is reused. It is not part of the key.
    """

    prompt: str = ""
    messages: tuple[Message, ...] = ()
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0
    sample: int = 0
    attempt: int = 0
    earlier: Request | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if bool(self.prompt) == bool(self.messages):
            raise ValueError("a request has either a prompt or messages")

    def again(self) -> Request:
        """The same request with the next attempt's number and seed."""
        attempt = self.attempt + 1
        earlier = self.earlier and self.earlier.again()
        return replace(self, attempt=attempt, seed=derive_seed(self.seed, "attempt", attempt), earlier=earlier)

    def key(self, model: str) -> str:
        """The key of this call in a journal: 32 hex digits, independent of `max_tokens`.

        Fields that are None are left out, so a new field of `Sampling` does not change existing keys.
        """
        settings = {name: getattr(self.sampling, name) for name in _KNOWN_BY}
        sampling = {name: value for name, value in settings.items() if value is not None}
        turns = [[message.role, message.content] for message in self.messages]
        known_by = [model, self.prompt, turns, sampling, self.seed, self.sample, self.attempt]
        return hashlib.blake2b(_canonical(known_by), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Completion:
    """A model's reply. Token counts are None if the engine does not know them.

    `finish_reason` is our word (`finish_of`), not the server's. `end_tokens` are those removed from the end of the
    text.
    """

    text: str
    finish_reason: FinishReason = STOP
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    end_tokens: str = field(default="", compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.finish_reason not in (STOP, LENGTH):
            object.__setattr__(self, "finish_reason", finish_of(self.finish_reason))

    @property
    def truncated(self) -> bool:
        return self.finish_reason == LENGTH

    @property
    def finished(self) -> bool:
        """Whether the reply is complete."""
        return is_finished(self.finish_reason)


@dataclass(frozen=True, slots=True)
class Score:
    """The likelihood of a continuation: the sum of its tokens' natural log-probabilities, and their number."""

    log_prob: float
    tokens: int


@dataclass(frozen=True, slots=True)
class Drop:
    """A row that is dropped after its call, and the reason that counts it; `raw` is an unreadable reply.

    `details` are fields written into the dropped row, such as the original of a copy, or the votes.
    """

    reason: str
    raw: Sequence[str] = ()
    finish_reason: FinishReason | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Dropped:
    """A row that a step drops: a row that it had held back, or the representative of a group."""

    row: Row
    drop: Drop


@dataclass(frozen=True, slots=True)
class Retry:
    """Asks for a retry, because the replies cannot be used. Without attempts left, the outcome is `otherwise`."""

    reason: str
    otherwise: Sequence[Row] | Drop


@dataclass(frozen=True, slots=True)
class Unusable:
    """A reply that cannot be used: the reason, its text and its request.

    Its row is dropped, or written with a mark, such as an invalid verdict.
    """

    reason: str
    text: str
    finish_reason: FinishReason
    max_tokens: int
    chat: bool
    completion_tokens: int | None = None


@dataclass
class Useless:
    """Replies that cannot be used, counted by reason, with one example for each of the first reasons."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, Unusable] = field(default_factory=dict)

    def add(self, reply: Unusable, times: int = 1) -> None:
        """Count `times` more replies with this reason."""
        self.counts[reply.reason] += times
        if len(self.examples) < _MOST_EXAMPLES:
            self.examples.setdefault(reply.reason, reply)

    @property
    def example(self) -> Unusable | None:
        """The first reply of the most frequent reason that has one."""
        frequent = (reason for reason, _ in self.counts.most_common())
        return next((self.examples[reason] for reason in frequent if reason in self.examples), None)


@dataclass(frozen=True, slots=True)
class Item:
    """A row in the pipeline, with the position of the source row that it descends from."""

    index: int
    row: Row


@dataclass(frozen=True, slots=True)
class Failed:
    """A row whose call failed: the cause that counts it, and the engine's message."""

    cause: str
    message: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one item."""

    item: Item
    result: Sequence[Row] | Drop | Failed


def _canonical(value: Any) -> bytes:
    """Canonical JSON of a value. The standard library writes values that orjson refuses, such as lone surrogates."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return json.dumps(value, sort_keys=True).encode()


def count_of(value: object) -> int | None:
    """A count from a row, such as its tokens; None if the value cannot be a count."""
    return value if type(value) is int and 0 <= value < 1 << 53 else None


def derive_seed(*parts: object) -> int:
    """A seed in [0, 2**31) from any printable parts, the same on every machine and in every process."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=4).digest(), "big") >> 1


def content_id(*parts: object) -> str:
    """A row's id: 16 hex digits from the parts of its content; huge integers enter as decimals."""
    return hashlib.blake2b(
        json.dumps(parts, ensure_ascii=False, default=str).encode(errors="surrogatepass"), digest_size=8
    ).hexdigest()
