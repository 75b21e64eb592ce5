"""The likely causes of unusable replies and their remedies, in the words of all messages.

Used by runs that stop early, by summaries and by the doctor's trial. The stages decide whether a reply can be used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from promptcot.printable import quoted
from promptcot.records import Unusable

_SHOWN = 160
_REASONS = 6
_OPEN, _CLOSE = "<think>", "</think>"

_CHAT = "chat = true (a step's option --use-chat-template, or the key in the recipe)"
_RAW = "chat = false (a step's option --use-chat-template false, or the key in the recipe)"
_LONGER = "raise max_tokens (a step's option --max-len, or the key in the recipe, such as --set generate.max_tokens=N)"
_MORE_CONTEXT = "give the server a longer context (vLLM: --max-model-len; llama.cpp: -c, which its -np slots share)"
_WIDEN = "widen the band (--pass-rate of `select`, or select.pass_rate in the recipe of a run"
_MISCOUNTED = 8  # some servers count the tokens around a reply, others do not
READER_FAILED, STEP_FAILED = "reader failed: ", "step failed: "
"""The beginning of the reasons of rows for which a custom step's code failed."""
INVALID = "invalid: "
"""The beginning of the reason of a problem that verifiers call invalid; the name of the criterion follows."""
_INCONSISTENT = ("the verdict does not follow", "contradiction", "taken back", "unclear: ")
"""The beginnings of the reasons of `parsing.judging` for replies with the right form but doubtful content."""


@dataclass(frozen=True, slots=True)
class Advice:
    """The likely cause and its remedy: two phrases without a final period."""

    cause: str
    remedy: str


def advice(reply: Unusable) -> Advice:
    """The likely cause of replies like this one, and its remedy."""
    text = reply.text.strip()
    if reply.finish_reason == "length":
        return _cut_off(reply, text)
    if reply.reason.startswith("stopped: "):
        return Advice("the server ended the replies itself", "check the server's log and its limits")
    if not text:
        return _empty(chat=reply.chat)
    if text.startswith(_OPEN) and not text.partition(_CLOSE)[2].strip():
        return Advice(
            "the model wrote its reasoning and no answer",
            f"{_LONGER}, or turn the reasoning off (extra_body, as its server documents)",
        )
    if reply.reason.startswith(_INCONSISTENT):
        return Advice("the model contradicts itself", "use a stronger model, or a lower temperature")
    if reply.reason in ("declined", "not its own words"):
        return Advice("the judge declines to rate", "use another judge, or check the problems that it should rate")
    if reply.reason.startswith("unmarked, "):
        return Advice(
            "for problems that contain ratings, the judge leaves out the mark that should begin its lines",
            "use a stronger judge; with custom prompts, let judge.jinja ask for `own_mark`",
        )
    if reply.reason.startswith("repeated: "):
        return Advice(
            "the judge repeats the text that it rates, and that text names a verdict itself",
            "use a stronger judge, or a generator or problems that do not name a verdict",
        )
    asked = f"if it is not a chat model, set {_RAW}" if reply.chat else f"if it is a chat model, set {_CHAT}"
    return Advice(
        "the prompts are made for another model: the reply does not have the requested form",
        f"use prompts that suit the model (`prompts`; for a trained generator, `prompt_like` of `sample`); {asked}",
    )


def _cut_off(reply: Unusable, text: str) -> Advice:
    limit, written = f"max_tokens = {reply.max_tokens:,}", reply.completion_tokens
    if not text:
        return Advice(f"all of {limit} went into reasoning that the server does not show", _LONGER)
    if written is not None and written + _MISCOUNTED < reply.max_tokens:
        return Advice(
            f"the server ended the reply after {written:,} tokens, short of {limit}: its context is full",
            f"{_MORE_CONTEXT}, or shorter prompts; if the model reasons without showing it, {_LONGER}",
        )
    if _OPEN in text and _CLOSE not in text:
        return Advice(f"{limit} is too low for a model that reasons before it answers", _LONGER)
    if reply.chat:
        return Advice(f"{limit} is too low", _LONGER)
    return Advice(
        f"{limit} is too low, or a chat model does not end when it is asked with a raw prompt",
        f"{_LONGER}; if it is a chat model, set {_CHAT}",
    )


def _empty(*, chat: bool) -> Advice:
    if chat:
        return Advice(
            "it is not a chat model, or its chat template is wrong",
            f"set {_RAW} for a base model; else check the chat template that the server uses",
        )
    return Advice(
        "it is a chat model, but gets a raw prompt", f"set {_CHAT}; if it is not a chat model, try another one"
    )


_DROPS = {
    "invalid verdict": "use judges whose replies can be parsed: `invalid_reason` in their rows says what is "
    "wrong; if replies were cut off, use a larger --max-len",
    "missing verdict": "have every judge rate the same rows, which are joined by id, or lower --n-rewards",
    "bad": "look at `ratings` in the judges' rows; a stronger generator writes better problems",
    "not all perfect": "check `ratings` in the judges' rows; --only-perfect false (filter.only_perfect) keeps more",
    "none perfect": "look at `ratings` in the judges' rows; a stronger generator writes better problems",
    "unlabelled: no answer": "solve the problems again: a trace that is cut off (`truncated`) needs a larger "
    "--max-len, and one without \\boxed{} another prompt (--style); if a "
    "custom verifier failed, fix it and label again",
    "unlabelled: tie": "solve the problems more often (--n of `solve`)",
    "answer not agreed": "solve the problems more often (--n of `solve`), or with a stronger model; rows that have "
    "pass rates without `label` and `agreement` need a gold (`answer`)",
    "no pass rate": "give rows from `label`, or name the column of pass rates (--columns pass_rate=COLUMN)",
    "pass rate too low": f"{_WIDEN}; --min-pass-rate of `label`)",
    "pass rate too high": f"{_WIDEN}; --max-pass-rate of `label`)",
    "too few traces": "solve the problems more often (n of `solve`), or lower min_n of `select`",
    "unreadable profile": "fix the column that `raw` names in the dropped rows",
    "outside the shares": "name levels and pass rates that occur in the rows (--levels, --difficulty)",
    "prompt for other blocks": "name the domain of the prompts (--prompts)",
    "truncated": "solve the problems again with a larger --max-len",
    "undecided": "check `validity` in the dropped rows: if votes are undecided, use a stronger "
    "verifier, or a larger --max-len for votes that were cut off; if they are split, more --votes",
}
_INVALID = (
    "check `findings` in the dropped rows; a stronger generator writes better problems, and a stronger verifier "
    "rejects fewer sound problems"
)


_OWN_CODE = (
    "fix the step's own code, and run the same command again: known replies are reused, and nothing is paid twice"
)
_FAILURES = {
    "ask failed": "fix the step's own code",
    "over-long": f"{_MORE_CONTEXT}; rows with longer prompts can only be left out",
}


def remedy_for_failed(failed: Mapping[str, int]) -> str:
    """The remedy for rows that failed for these causes."""
    most = max(failed, key=lambda cause: failed[cause], default="")
    mend = _FAILURES.get(most, "fix the problem that the message names")
    return f"{mend}. The same command retries failed rows"


def remedy_for(dropped: Mapping[str, int]) -> str | None:
    """The remedy for rows that were dropped for these reasons; None if no remedy is known."""
    most = max(dropped, key=lambda reason: dropped[reason], default="")
    if most.startswith(INVALID):
        return _INVALID
    return _OWN_CODE if most.startswith((READER_FAILED, STEP_FAILED)) else _DROPS.get(most)


def reasons(counts: Mapping[str, int]) -> str:
    """The counts of the reasons, the most frequent first."""
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    more = f", and {len(most) - _REASONS:,} more reasons" if len(most) > _REASONS else ""
    return ", ".join(f"{shown(reason)}: {count:,}" for reason, count in most[:_REASONS]) + more


def described(reply: Unusable) -> str:
    """A reply on one line: why it cannot be used, its finish reason, and the beginning of its text."""
    ended = f", finish reason {shown(reply.finish_reason)}" if reply.finish_reason != "stop" else ""
    return f"({shown(reply.reason)}{ended}): {shown(reply.text)}"


def shown(text: str, most: int = _SHOWN) -> str:
    """The beginning of a text from a model or a server, on one line and without control characters."""
    return quoted(text, most) or "(nothing)"
