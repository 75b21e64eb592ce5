"""Why a row is left out of a training, or learnt with a remark, and what can be done about either: a table of words.

Reasons are what rows are counted under, in the lines of a training, in `dropped.jsonl` and in a dry run alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

INSIDE = "special token in the completion"
PROMPT_TOO_LONG = "prompt too long"
TOO_LONG = "too long"
ONLY_END = "only an end mark"
RENDERED = "already rendered"
REWRITTEN = "earlier answer rewritten by the chat template"
NO_REASONING = "no reasoning"

FOREIGN_END = "end mark of another model taken off"
UNREASONED = "answer without reasoning after <think>"
"""The row is learnt all the same."""

WAYS_OUT = {
    TOO_LONG: (
        "longer than the window, and a cut trace has no end: raise schedule.max_length, or learn the beginnings "
        'with method.overlong = "cut"'
    ),
    PROMPT_TOO_LONG: "the prompt alone fills the window: raise schedule.max_length",
    RENDERED: (
        "the marks of turns are written in the texts already, and the chat template would write them again: set "
        "data.chat = false for prompts that are texts; take them out of the turns of `messages`"
    ),
    REWRITTEN: (
        "the template changes an answer once others follow, as by leaving out its reasoning, so that it cannot be "
        'learnt where it stands: data.loss = "last" learns the last answer alone'
    ),
    UNREASONED: (
        "the prompt opens the thinking, and such an answer is learnt as if it were thought: data.without_reasoning = "
        '"close" ends the thinking before it, "drop" leaves the row out'
    ),
}


def ways_out(reasons: Iterable[str]) -> Iterator[str]:
    """A line for each reason that something can be done about."""
    return (f"{reason}: {WAYS_OUT[reason]}" for reason in reasons if reason in WAYS_OUT)
