"""Converts a row into a training example, or gives the reason why it is dropped.

Exported rows have a problem and what their kind of training needs: a gold that its verifier can read, a complete trace,
or a correct and an incorrect one. Rows on whose answer the traces disagree are exported only on request. The prompt is
that of `solve`, so training and evaluation agree. `reading` has mapped columns of data sets to our names; `formats`
maps them to each trainer's.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from math import isfinite
from typing import TYPE_CHECKING, Any

from promptcot.core.labelling import unfit
from promptcot.core.layouts import turns
from promptcot.core.parsing.end_tokens import without_end_tokens
from promptcot.core.parsing.traces import OPEN
from promptcot.core.problems import NO_TEXT, asked_in_markup, gold_of
from promptcot.core.prompts import PromptSet
from promptcot.core.selection.profiles import NOT_AGREED
from promptcot.errors import InputError
from promptcot.records import Message, Row, count_of
from promptcot.rewards import graders, passes
from promptcot.rewards.verdicts import gold_for
from promptcot.stages.review import REJECTED
from promptcot.stages.solve import AS_IT_IS

if TYPE_CHECKING:
    from promptcot.exports.formats.format import Kind, Schema

NO_ANSWER = "no answer"
UNREADABLE = "gold unreadable"
NO_TRACE = "no trace"
NO_PAIR = "no right and wrong trace"
EQUAL = "right and wrong trace are the same"
SEVERAL_TURNS = "more than one question"
OTHER_TURNS = "a turn of no text, or of another role than system, user and assistant"
_ROLES = ("system", "user", "assistant")

EXTRA: Schema = {
    **dict.fromkeys(("level", "source", "model", "license", "validity", "judgement"), "string"),
    **dict.fromkeys(("agreement", "margin", "pass_rate", "validity_share", "mean_tokens"), "number"),
    **dict.fromkeys(("n", "answered", "refused"), "integer"),
    "foundational_concepts": ("string",),
}
"""Additional fields of a row that are exported if a format supports them, and their types: the same for all exports."""


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt and its training targets.

    `prompt` is the text of the user's turn, `messages` the same as a chat, with a system message first if the row has
    one. `answer` is the gold, `completion` a complete trace, `chosen` and `rejected` are two of them. `extra` has the
    other fields of the row, with the same keys in all examples of one export (None if a row lacks one).
    """

    id: str
    prompt: str
    messages: Sequence[Message]
    problem: str | None = None
    answer: str | None = None
    completion: str | None = None
    chosen: str | None = None
    rejected: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Reader:
    """Examples of a `kind` from rows with ids. `style` is the form of the raw prompt, as in `solve`.

    Golds of `rl` are checked with the `verifier`, with a time limit of `limit` seconds each. With `disputed`, rows are
    exported even if the traces disagree on the answer, or if votes do not call them valid.
    """

    kind: Kind
    prompts: PromptSet
    style: str | None = None
    verifier: str = "mathematics"
    limit: float = 5.0
    disputed: bool = False

    def __call__(self, rows: Sequence[Row]) -> list[Example | str]:
        """For each row the example, or the reason for dropping it. Raises InputError for a domain without a prompt for
        solving.
        """
        found = [self._example(row) for row in rows]
        if self.kind != "rl":
            return found
        found = [one if isinstance(one, str) else self._with_bare_gold(one) for one in found]
        readable = self._readable({str(one.answer) for one in found if isinstance(one, Example)})
        return [one if isinstance(one, str) or str(one.answer) in readable else UNREADABLE for one in found]

    def _with_bare_gold(self, one: Example) -> Example | str:
        """The example with the answer extracted from a gold that is a whole solution, as in the reward."""
        gold = gold_for(self.verifier, one.answer)
        if gold is None:
            return UNREADABLE
        return one if gold == one.answer else replace(one, answer=gold)

    def _readable(self, golds: set[str]) -> set[str]:
        """The examples that pass their verifier; worker processes do the expensive comparisons."""
        readable = partial(passes, verifier=self.verifier, limit=self.limit)
        whole = {gold for gold in golds if gold.isdecimal()}
        ordered = sorted(golds - whole)
        with ThreadPoolExecutor(graders.workers()) as threads:
            found = zip(ordered, threads.map(readable, ordered), strict=True)
            return {*filter(readable, whole), *(gold for gold, passed in found if passed)}

    def _example(self, row: Row) -> Example | str:
        if row.get("reason") == REJECTED:
            return REJECTED
        asked = self._prompt(row)
        if isinstance(asked, str):
            return asked
        prompt, messages = asked
        if not self.disputed and (why := _disputed(row)) is not None:
            return why
        return self._with_targets(Example(str(row["id"]), prompt, messages, _problem(row), extra=_extra(row)), row)

    def _prompt(self, row: Row) -> tuple[str, Sequence[Message]] | str:
        """The prompt as text and as a chat, or why there is none."""
        problem, prompt = _problem(row), row.get("prompt")
        if self.style != AS_IT_IS and problem is not None and problem.strip():
            messages = _with_system(_chat(row), problem, self.prompts.messages("solve", problem=problem))
            style = self.style and self.prompts.render(f"solve.{self.style}", problem=problem)
            return style or messages[-1].content, messages
        said = _chat(row) or (_shared(row) if self.kind == "pairs" else [])
        asked = said[:-1] if said and said[-1]["role"] == "assistant" else said
        if not all(turn["role"] in _ROLES and isinstance(turn["content"], str) for turn in asked):
            return OTHER_TURNS
        chat = [Message(turn["role"], turn["content"]) for turn in asked]
        if not chat and isinstance(prompt, str) and prompt.strip():
            return prompt, (Message("user", prompt),)
        if sum(message.role == "user" for message in chat) > 1:
            return SEVERAL_TURNS
        if not chat or chat[-1].role != "user" or not chat[-1].content.strip():
            return NO_TEXT
        return (prompt if isinstance(prompt, str) and prompt.strip() else chat[-1].content), chat

    def _with_targets(self, bare: Example, row: Row) -> Example | str:
        """The example with its training targets."""
        if self.kind == "sft":
            return _with_trace(bare, row)
        return _with_pair(bare, row) if self.kind == "pairs" else _with_gold(bare, row)


def _with_gold(bare: Example, row: Row) -> Example | str:
    label = _text(row.get("label"))
    try:
        return replace(bare, answer=gold_of(row, ""))
    except InputError:
        if row.get("answer") not in (None, "") and str(row["answer"]).strip():
            return UNREADABLE
    return replace(bare, answer=label) if label is not None and label.strip() else NO_ANSWER


def _with_trace(bare: Example, row: Row) -> Example | str:
    candidates = (row.get("completion"), row.get("trace"), row.get("messages"))
    trace, asks = next(
        ((said, _questions(value)) for value in candidates if (said := _trace_of(value)) is not None), (None, 0)
    )
    if trace is None:
        return NO_TRACE
    if asks > 1:
        return SEVERAL_TURNS
    if (why := unfit(row)) is not None:
        return f"trace {why}"
    prompt, completion = _opened(bare.prompt, _complete_trace(trace, row))
    return replace(bare, prompt=prompt, completion=completion, answer=_answer(row))


def _trace_of(value: Any) -> str | None:
    """A trace, as a text or as the last turn of a chat; None for a blank one."""
    said = turns(value)
    text = said[-1]["content"] if said and said[-1]["role"] == "assistant" else value
    return text if isinstance(text, str) and text.strip() else None


def _questions(value: Any) -> int:
    """The number of user turns in a chat; 0 for a text."""
    return sum(turn["role"] == "user" for turn in turns(value))


def _complete_trace(trace: str, row: Row) -> str:
    """A trace without end tokens, and with the start of its thinking if the row's raw prompt contains that."""
    prompt = row.get("prompt")
    return _opened(prompt if isinstance(prompt, str) else "", without_end_tokens(trace))[1]


def _with_pair(bare: Example, row: Row) -> Example | str:
    chosen, rejected = (_trace_of(row.get(side)) for side in ("chosen", "rejected"))
    if chosen is None or rejected is None:
        return NO_PAIR
    if max(_questions(row["chosen"]), _questions(row["rejected"])) > 1:
        return SEVERAL_TURNS
    prompt, chosen = _opened(bare.prompt, _complete_trace(chosen, row))
    _, rejected = _opened(bare.prompt, _complete_trace(rejected, row))
    if chosen.strip() == rejected.strip():
        return EQUAL
    return replace(bare, prompt=prompt, chosen=chosen, rejected=rejected, answer=_answer(row))


def _answer(row: Row) -> str | None:
    """The answer that traces were compared with; of training rows, their label."""
    return _text(row.get("answer") if row.get("label") is None else row["label"])


def _opened(prompt: str, trace: str) -> tuple[str, str]:
    """Moves the opening tag of the thinking from the end of a raw prompt to the trace, as in a chat."""
    if not prompt.rstrip().endswith(OPEN):
        return prompt, trace
    start = prompt.rindex(OPEN)
    return prompt[:start], prompt[start:] + trace.lstrip().removeprefix(OPEN).lstrip()


def _problem(row: Row) -> str | None:
    """The problem; for a row with only a raw prompt, the text inside its markup."""
    problem = row.get("problem")
    return problem if isinstance(problem, str) else asked_in_markup(row)


def _chat(row: Row) -> list[dict[str, Any]]:
    """The turns of a row that has them."""
    return turns(row.get("messages")) or turns(row.get("prompt"))


def _with_system(said: Sequence[Mapping[str, Any]], problem: str, asked: Sequence[Message]) -> Sequence[Message]:
    """The prompt, after the system message of the row's chat for this problem, if there is one."""
    first = said[0] if said and said[0]["role"] == "system" else None
    if first is None or not isinstance(first["content"], str) or not first["content"].strip():
        return asked
    if not any(turn["role"] == "user" and problem.strip() in str(turn["content"]) for turn in said):
        return asked
    return [Message("system", first["content"]), *(message for message in asked if message.role != "system")]


def _shared(row: Row) -> list[dict[str, Any]]:
    """The common turns of a pair's chats, if only their last turns differ."""
    chosen, rejected = turns(row.get("chosen")), turns(row.get("rejected"))
    return chosen[:-1] if chosen[:-1] == rejected[:-1] else []


def _disputed(row: Row) -> str | None:
    """The reason why the answer of a row is unreliable; None if it is reliable, or was not checked.

    A given gold is not a label, and its traces' disagreement does not count against it.
    """
    validity = row.get("validity")
    verdict = validity.get("verdict") if isinstance(validity, dict) else validity
    if verdict in ("invalid", "undecided"):
        return f"not valid: {verdict}"
    label, agreement = row.get("label"), _number(row.get("agreement"))
    has_gold = label is not None and row.get("answer") is not None and str(row["answer"]) != str(label)
    if agreement is None or has_gold:
        return None
    margin, alone = _number(row.get("margin")), count_of(row.get("answered")) == 1 and (count_of(row.get("n")) or 0) > 1
    return NOT_AGREED if agreement <= 0.5 or alone or (margin is not None and margin <= 0) else None


def _extra(row: Row) -> dict[str, Any]:
    """The additional fields, as in a set: of the fields of `verify`, the verdict and the share."""
    validity = row.get("validity")
    if isinstance(validity, dict):
        row = {**row, "validity": validity.get("verdict"), "validity_share": validity.get("share")}
    concepts = row.get("foundational_concepts") or row.get("concepts")
    return {name: take(row.get(name)) for name, take in _TAKES} | {"foundational_concepts": _texts(concepts)}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else str(value) if type(value) in (int, float) else None


def _number(value: Any) -> float | None:
    if type(value) not in (int, float) or abs(value) > sys.float_info.max:
        return None
    return float(value) if isfinite(value) else None


def _texts(value: Any) -> list[str] | None:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else None


_OF: Mapping[Any, Any] = {"string": _text, "number": _number, "integer": count_of, ("string",): _texts}
_TAKES = [(name, _OF[kind]) for name, kind in EXTRA.items()]
