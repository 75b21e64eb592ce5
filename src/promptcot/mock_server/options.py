"""The options of a mock server, and the names of its faults. `app` implements the faults."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, get_args

from promptcot.errors import InputError

Fault = Literal["429", "500", "503", "reset", "stall", "truncated_json", "html", "refusal", "over_long_error"]

FAULTS: tuple[Fault, ...] = get_args(Fault)


@dataclass(frozen=True, slots=True)
class MockOptions:
    """The settings of a mock server; the defaults answer every call at once and without faults.

    Each `rate_…` is the probability that an arriving call gets that fault; their sum is at most 1. Raises InputError
    for invalid options.
    """

    host: str = "127.0.0.1"
    port: int = 0
    """0 is any free port."""
    models: tuple[str, ...] = ("mock",)
    api_key: str | None = field(default=None, repr=False)
    """The only accepted key; None accepts calls with any key or none."""
    seed: int = 0
    reply_tokens: int = 100
    """The approximate length of a reply; a token is four characters."""
    dimensions: int = 64
    """Of an embedding."""
    latency: float = 0.0
    """Mean seconds before an answer, or over which a stream is spread; 429 and 503 come at once."""
    latency_spread: float = 0.0
    """Standard deviation of the logarithm of the latency, which is log-normal."""
    concurrency_limit: int | None = None
    """A call gets 429 while this many other calls are in progress."""
    context: int | None = None
    """The maximum number of tokens of prompt and completion together."""
    retry_after: float | None = None
    """The `Retry-After` of a 429, in seconds; None omits the header."""
    retry_after_share: float = 1.0
    """The share of 429 with the header, if there is one."""
    rate_429: float = 0.0
    rate_500: float = 0.0
    rate_503: float = 0.0
    rate_reset: float = 0.0
    rate_stall: float = 0.0
    rate_truncated_json: float = 0.0
    rate_html: float = 0.0
    rate_refusal: float = 0.0
    rate_over_long_error: float = 0.0
    ledger: bool = True
    """Whether to remember which calls were answered (about 100 bytes each)."""

    def __post_init__(self) -> None:
        if mistakes := list(self._mistakes()):
            raise InputError("\n".join(["mock server: these options make no sense", *(f"  - {m}" for m in mistakes)]))

    @property
    def rates(self) -> tuple[float, ...]:
        """The probabilities of the faults, in the order of FAULTS."""
        return tuple(getattr(self, f"rate_{fault}") for fault in FAULTS)

    def _mistakes(self) -> Iterator[str]:
        for name in ("retry_after_share", *(f"rate_{fault}" for fault in FAULTS)):
            if not 0 <= getattr(self, name) <= 1:
                yield f"{name} is {getattr(self, name)}; it should be between 0 and 1"
        if sum(self.rates) > 1 + 1e-9:
            yield f"the rates of the faults add up to {sum(self.rates):g}, which is more than 1"
        if not self.models:
            yield "there should be at least one model"
        for name in ("latency", "latency_spread", "retry_after"):
            if (getattr(self, name) or 0) < 0:
                yield f"{name} should not be negative"
        for name in ("reply_tokens", "dimensions", "concurrency_limit", "context"):
            if (value := getattr(self, name)) is not None and value < 1:
                yield f"{name} should be at least 1"
