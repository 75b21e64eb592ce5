"""Reads the texts of a training row: the prompt, as inference sees it, and the answer.

Decides which rows are usable, and the reason under which others are counted. A row has `prompt` and `completion`, as
texts or as lists of messages, or `messages`, whose last answer is the completion; later turns are ignored. A row with
both, as `label` writes it, is a chat if the tokenizer has a chat template, and the pair otherwise. Texts are used
unchanged, with three exceptions: end tokens after a completion are removed (`ends`), reasoning in a separate field is
put before its answer, and a `<think>` that the prompt has opened is not opened again. `turns` extracts the text of a
turn, `encoding` encodes it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from jinja2 import TemplateError

from promptcot.core.columns import fields_of
from promptcot.core.parsing.traces import CLOSE, OPEN, with_thought
from promptcot.records import Row
from promptcot.training.data.chat import Rewritten, Turn, answers_in, continued, has_template, render
from promptcot.training.data.ends import EndMarks
from promptcot.training.data.reasons import FOREIGN_END, NO_REASONING, ONLY_END, RENDERED, REWRITTEN, UNREASONED
from promptcot.training.data.rendered import is_rendered
from promptcot.training.data.turns import Unusable, divided, text, thinking_beside, turns_of
from promptcot.training.data_recipe import Data


@dataclass(frozen=True, slots=True)
class Example:
    """The texts as the model sees them, without the end token of the answer.

    `chat`: the template wrote the prompt, so no special tokens are added to it. `turn`: the text ends with the end of a
    turn, though no template wrote its prompt. `pieces` are the parts of the prompt, alternately without and with a
    loss, if earlier answers have a loss too. `remarks` are the names under which it is counted.
    """

    id: str
    prompt: str
    completion: str
    chat: bool = False
    turn: bool = False
    pieces: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejected:
    """An unusable row, and the reason under which it is counted."""

    id: str
    reason: str


class Reader:
    """Reads rows as `data` specifies. Raises InputError for a chat if the tokenizer has no template."""

    def __init__(self, data: Data, tokenizer: Any) -> None:
        self._data, self._tokenizer = data, tokenizer
        self._marks = EndMarks(tokenizer)

    def __call__(self, row: Row) -> Example | Rejected:
        """The example in a row."""
        name = str(row["id"])
        try:
            return self._example(name, row)
        except Unusable as reason:
            return Rejected(name, str(reason))

    def _example(self, name: str, row: Row) -> Example:
        prompt, completion, messages = row.get("prompt"), row.get("completion"), row.get("messages")
        pair = isinstance(prompt, str) and isinstance(completion, str)
        if messages is not None and (completion is None or (pair and messages and has_template(self._tokenizer))):
            return self._chat(name, turns_of(messages), thinking_beside(row))
        if isinstance(prompt, str) and isinstance(completion, str) and not self._data.chat:
            return self._pair(name, prompt, completion, thinking_beside(row))
        _need_some(row, "prompt", "completion", "messages")
        said = turns_of(prompt, "user", "prompt") + turns_of(completion, "assistant", "completion")
        return self._chat(name, said, thinking_beside(row))

    def _pair(self, name: str, prompt: str, completion: str, thinking: str) -> Example:
        asked, ended = text(prompt, "prompt"), self._marks.taken_off(text(completion, "completion"))
        example = Example(name, asked, _some(ended.text), turn=ended.turn, remarks=_foreign(ended.foreign))
        return self._finished(example, thinking)

    def _chat(self, name: str, said: list[Turn], thinking: str) -> Example:
        if any(is_rendered(turn["content"]) for turn in said):
            raise Unusable(RENDERED)
        bare = [self._unended(turn) for turn in said]
        foreign = any(ended for _, ended in bare)
        turns = [turn for turn, _ in bare]
        asked, answer = divided(turns, thoughts=self._data.loss == "assistant")
        try:
            opened = render(self._tokenizer, asked)
            pieces = tuple(answers_in(self._tokenizer, asked, opened)) if self._data.loss == "assistant" else ()
        except TemplateError as error:
            raise Unusable("refused by the chat template") from error
        except Rewritten as error:
            raise Unusable(REWRITTEN) from error
        pieces = pieces if len(pieces) > 1 else ()
        example = Example(name, text(opened, "prompt"), answer, True, pieces=pieces, remarks=_foreign(foreign))
        return self._finished(example, thinking)

    def _unended(self, turn: Turn) -> tuple[Turn, bool]:
        """The turn without end tokens, and whether one of them belonged to another model."""
        if turn["role"] != "assistant" or not turn["content"].strip():
            return turn, False
        ended = self._marks.taken_off(turn["content"])
        return {**turn, "content": _some(ended.text)}, ended.foreign

    def _finished(self, example: Example, thinking: str) -> Example:
        """With separate reasoning put in front, and opened once."""
        whole = with_thought(thinking, example.completion)
        learnt = continued(example.prompt, whole)
        if not example.prompt.rstrip().endswith(OPEN) or OPEN in whole or CLOSE in whole:
            return replace(example, completion=text(learnt, "completion"))
        if self._data.without_reasoning == "drop":
            raise Unusable(NO_REASONING)
        if self._data.without_reasoning == "close":
            return replace(example, completion=f"\n{CLOSE}\n\n{text(learnt, 'completion').lstrip()}")
        return replace(example, completion=text(learnt, "completion"), remarks=(*example.remarks, UNREASONED))


def _some(found: str) -> str:
    """Raises Unusable if there is nothing but end tokens."""
    if not found.strip():
        raise Unusable(ONLY_END)
    return found


def _foreign(found: bool) -> tuple[str, ...]:
    return (FOREIGN_END,) if found else ()


def _need_some(row: Row, *names: str) -> None:
    """Raises Unusable for a row without any of these fields, with the names of its fields."""
    if all(row.get(name) is None for name in names):
        alike = dict.fromkeys(row, "")  # rows are counted by their fields, whichever of these are null
        raise Unusable(f"no prompt, completion or messages: {fields_of(alike)}")
