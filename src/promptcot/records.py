"""The nouns that travel between stages, engines and runners.

A *row* is a plain JSON object: stages add fields to it and carry along those they do not know. What is asked of a model
and what comes back are small frozen classes. Nothing here reads files, asks models or draws random numbers.
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
"""Why a model stopped: one of the words below, or a server's own word that none of them covers."""

STOP = "stop"
"""The model was done."""

LENGTH = "length"
"""The reply was cut off: by `max_tokens`, or by the end of the context."""

SOURCE_INDEX = "source_index"
"""The field that rows of a sharded command have: their position in the whole input."""

CONTENT_FILTER = "content_filter"
"""The server refused to write the reply, or the rest of it."""

TOOL_CALLS = "tool_calls"
"""The model asked for a tool, which nobody offered it."""

INTERRUPTED = "interrupted"
"""The server gave up before the model was done: such a reply is asked for again and never reused."""

UNANSWERED = "unanswered"
"""No reply came, though others did about the same row. Runners say so of a call that failed; it is in no journal."""

UNSTATED = "unstated"
"""A whole reply that does not say why the model stopped. It counts as finished."""

UNKNOWN = "unknown"
"""What stands where a word should be is none. Like every word that is not known, it does not count as finished."""

_NOTHING_SAID = {"", "null", "none", "nil", "undefined", UNSTATED}
# How servers call a reply that is whole, in lower case and without what is neither letter nor digit. Only these do.
_STOPPED = {
    *("stop", "stopped", "stopsequence", "stoptoken", "stopword", "stopwords", "stopstring", "stopstringfound"),
    *("eos", "eostoken", "eosfound", "eot", "eottoken", "end", "endturn", "endofturn", "endoftext", "endofsequence"),
    *("complete", "completed", "finish", "finished", "done", "normal", "succeeded"),
}
# Everything else by its root, the first that fits: none of these is a whole reply.
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
    """Our word for what a server gave as the reason why a model stopped.

    Every server has its own (`MAX_TOKENS`, `model_length`, `FINISH_REASON_STOP`, `end_turn`). One that is not known
    stays as it is, in lower case, and is not taken for a finished reply; what is no word is `unknown`.
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
    """Whether a reply with this finish reason is all that the model had to say."""
    return finish_of(word) in (STOP, UNSTATED)


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn. `temperature` 0 is greedy; `max_tokens` bounds the completion only.

    The text ends before the first of the `stop` strings. `top_k` is at least 1, `min_p` a share of the likeliest
    token's probability, `presence_penalty` is taken from the logit of each token that the completion has already; None
    leaves these three to the server.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    max_tokens: int = 4096
    stop: tuple[str, ...] = ()
    top_k: int | None = None
    min_p: float | None = None
    presence_penalty: float | None = None


_MOST_EXAMPLES = 16  # replies may be long, and reasons many
_KNOWN_BY = tuple(part.name for part in fields(Sampling) if part.name != "max_tokens")


@dataclass(frozen=True, slots=True)
class Request:
    """One call to a model: either a raw `prompt` or chat `messages`, never both.

    `sample` numbers the traces of one row; `attempt` counts how often the row was asked before because the reply could
    not be used. `seed` is unique to (run, row, sample, attempt), see `again`. `earlier` is how earlier versions asked
    the same: a reply to it that is in a journal is used. It is no part of the key.
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
        """The same question once more, with another seed."""
        attempt = self.attempt + 1
        earlier = self.earlier and self.earlier.again()
        return replace(self, attempt=attempt, seed=derive_seed(self.seed, "attempt", attempt), earlier=earlier)

    def key(self, model: str) -> str:
        """What this call is known by in a journal: 32 hex digits, independent of `max_tokens`.

        What is None does not enter, so that a new field of `Sampling` changes no key of before.
        """
        told = {name: getattr(self.sampling, name) for name in _KNOWN_BY}
        sampling = {name: value for name, value in told.items() if value is not None}
        turns = [[message.role, message.content] for message in self.messages]
        known_by = [model, self.prompt, turns, sampling, self.seed, self.sample, self.attempt]
        return hashlib.blake2b(_canonical(known_by), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Completion:
    """A model's reply. Token counts are None where the engine does not know them.

    Whatever word a server has for it, `finish_reason` is ours (`finish_of`). `end_tokens` are those that were taken off
    the end of the text.
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
        """Whether this is all that the model had to say."""
        return is_finished(self.finish_reason)


@dataclass(frozen=True, slots=True)
class Score:
    """How likely a continuation is: the sum of its tokens' natural log-probabilities, and how many there are."""

    log_prob: float
    tokens: int


@dataclass(frozen=True, slots=True)
class Drop:
    """A row that was asked and is left out, with a reason under which it is counted; `raw` is what cannot be read.

    `details` are fields that are written into the row that was left out: what it is a copy of, how it was voted on.
    """

    reason: str
    raw: Sequence[str] = ()
    finish_reason: FinishReason | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Dropped:
    """A row that a step leaves out: one that it had held back, or one that stands for a group."""

    row: Row
    drop: Drop


@dataclass(frozen=True, slots=True)
class Retry:
    """The replies cannot be used: ask again. When no attempt is left, `otherwise` stands."""

    reason: str
    otherwise: Sequence[Row] | Drop


@dataclass(frozen=True, slots=True)
class Unusable:
    """A reply of which nothing can be used: why, what it says, and how it was asked for.

    It may have been left out, or be an output that is marked, such as an invalid verdict.
    """

    reason: str
    text: str
    finish_reason: FinishReason
    max_tokens: int
    chat: bool
    completion_tokens: int | None = None


@dataclass
class Useless:
    """Replies of which nothing can be used, counted by reason, with the first of each of some reasons."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, Unusable] = field(default_factory=dict)

    def add(self, reply: Unusable, times: int = 1) -> None:
        """So many more for this reason."""
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
    """A row on its way, with the position of the source row from which it descends."""

    index: int
    row: Row


@dataclass(frozen=True, slots=True)
class Failed:
    """A row that could not be asked: the cause it is counted under, and what the engine said."""

    cause: str
    message: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one item."""

    item: Item
    result: Sequence[Row] | Drop | Failed


def _canonical(value: Any) -> bytes:
    """JSON that is the same for the same value; the standard library writes what orjson refuses, half a surrogate."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return json.dumps(value, sort_keys=True).encode()


def count_of(value: object) -> int | None:
    """A count that a row states, such as its tokens; None for what can be none."""
    return value if type(value) is int and 0 <= value < 1 << 53 else None


def derive_seed(*parts: object) -> int:
    """A seed in [0, 2**31) from any printable parts, the same on every machine and in every process."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=4).digest(), "big") >> 1


def content_id(*parts: object) -> str:
    """A row's id: 16 hex digits from what the row is made of; huge integers are decimals there."""
    return hashlib.blake2b(
        json.dumps(parts, ensure_ascii=False, default=str).encode(errors="surrogatepass"), digest_size=8
    ).hexdigest()
