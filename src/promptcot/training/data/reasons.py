"""The reasons for which a row is dropped from a training run or gets a warning, each with a remedy.

Rows are counted under these reasons in the lines that a training run prints, in `dropped.jsonl` and in a dry run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

INSIDE = "special token in the completion"
PROMPT_TOO_LONG = "prompt too long"
TOO_LONG = "too long"
ONLY_END = "only an end mark"
RENDERED = "already rendered"
REWRITTEN = "earlier answer rewritten by the chat template"
NO_REASONING = "no reasoning"
UNREADABLE = "gold unreadable"

FOREIGN_END = "end mark of another model taken off"
UNREASONED = "answer without reasoning after <think>"
"""The row is used nevertheless."""

WAYS_OUT = {
    UNREADABLE: (
        "the verifier cannot read the answer, or does not find it equal to itself: name another as "
        "method.grpo.reward.verifier"
    ),
    TOO_LONG: (
        "longer than the window, and a truncated trace has no end: raise schedule.max_length, or train on truncated "
        'traces with method.overlong = "cut"'
    ),
    PROMPT_TOO_LONG: "the prompt alone fills the window: raise schedule.max_length",
    RENDERED: (
        "the texts already contain turn markers, and the chat template would add them again: set data.chat = false "
        "for prompts that are texts; remove the markers from the turns of `messages`"
    ),
    REWRITTEN: (
        "the template changes an answer that is followed by others, for example by removing its reasoning, so it "
        'cannot be trained on in place: data.loss = "last" trains on the last answer only'
    ),
    UNREASONED: (
        "the prompt opens the thinking, so such an answer would be trained as thinking: data.without_reasoning = "
        '"close" ends the thinking before it, "drop" leaves the row out'
    ),
}


_OF_KIND = {
    ("dpo", TOO_LONG): "a side and the prompt are longer than the window: raise schedule.max_length",
    ("grpo", PROMPT_TOO_LONG): (
        "the prompt leaves no room for an answer of method.grpo.max_completion_length: raise schedule.max_length"
    ),
}
"""Alternative remedies for other methods."""

_SIDE = re.compile("(?:chosen|rejected): ")


def ways_out(reasons: Iterable[str], kind: str) -> Iterator[str]:
    """A line for each reason with a remedy, for this kind of method."""
    for reason in dict.fromkeys(_SIDE.sub("", reason, count=1) for reason in reasons):
        if way := _OF_KIND.get((kind, reason), WAYS_OUT.get(reason)):
            yield f"{reason}: {way}"


def nothing_left(paths: Sequence[str], what: str, dropped: Mapping[str, int], window: int, kind: str) -> str:
    """The message for data of which no row is left; `what` names a row: a row, pair or prompt."""
    why = ", ".join(f"{count:,} × {reason}" for reason, count in dropped.items()) or "there are none"
    told = f"{', '.join(paths)}: no {what} is left to train on: {why}; the window is schedule.max_length = {window:,}"
    return "\n".join([f"{told} tokens", *(f"  - {way}" for way in ways_out(dropped, kind))])
