r"""A table of the column layouts of common data sets, and the mapping of their columns to our fields.

A layout is recognized by its marks, columns that its rows have; if several fit, the first in the table counts. A `Take`
converts columns to a field. Names are those of the data sets on the Hugging Face Hub, or those that programs write.
`core.columns` applies the mapping and `--columns`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from promptcot.core.answers.extraction import extract
from promptcot.core.parsing.traces import with_thought
from promptcot.records import Row

Way = Callable[..., Any]
"""Converts the values of some columns (None if missing) to our value, or to None if they do not contain it."""

_ROLES = {"human": "user", "gpt": "assistant", "chatgpt": "assistant", "bot": "assistant", "model": "assistant"}
"""ShareGPT's names of those roles in a chat that we call differently."""


def column(row: Row, name: str) -> Any:
    """The value of a column, or of a field inside one (`reward_model.ground_truth`); None if there is none."""
    if name in row:
        return row[name]
    outer, dot, inner = name.partition(".")
    table = row.get(outer) if dot else None
    return column(table, inner) if isinstance(table, dict) else None


@dataclass(frozen=True, slots=True)
class Take:
    """How one of our fields is read from columns. `words` describe it in a report, with `{}` for the column names.

    With `one`, only the first column that gives a value is used. With `replaces`, the columns replace a field with our
    name, which has another meaning in that layout.
    """

    columns: tuple[str, ...]
    way: Way
    words: str = "{}"
    replaces: bool = False
    one: bool = False

    def __call__(self, row: Row) -> Any:
        return self.way(*(column(row, name) for name in self.columns))

    def told(self, row: Row) -> str:
        """The description of the columns used in this row."""
        there = [name for name in self.columns if column(row, name) is not None]
        if self.one:
            there = [name for name in there if self.way(column(row, name)) is not None][:1]
        return self.words.format(" and ".join(there or self.columns))


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of one or more data sets. `takes` are by our field.

    A mark is the name of a present column; `name[]` must hold a list, and `name####` a text with that sign. `only`: the
    rows have no other columns. `solution` is not written by a model: it is used for training if there is no
    `completion`, and is never graded.
    """

    name: str
    marks: tuple[str, ...]
    takes: Mapping[str, Take] = field(default_factory=dict)
    solution: Take | None = None
    only: bool = False

    def fits(self, row: Row) -> bool:
        """Whether the row has the marks."""
        if self.only and set(row) != set(self.marks):
            return False
        return all(_has(row, mark) for mark in self.marks)


def _has(row: Row, mark: str) -> bool:
    if mark.endswith("[]"):
        return isinstance(row.get(mark[:-2]), list)
    if mark.endswith("####"):
        value = row.get(mark[:-4])
        return isinstance(value, str) and "####" in value
    return row.get(mark) is not None


def the(*names: str) -> Take:
    """The value of the first of these columns that has one."""
    return Take(names, lambda *values: next((value for value in values if value is not None), None), one=True)


def each(*names: str) -> Take:
    """The values of all these columns, one trace each."""
    return Take(names, lambda *values: [value for value in values if value is not None] or None)


def boxed(name: str) -> Take:
    r"""The answer of a solution: its last `\boxed`."""
    return Take((name,), _boxed, r"the last \boxed of {}")


def _boxed(solution: object) -> str | None:
    return extract(solution).answer if isinstance(solution, str) else None


def marked(name: str) -> Take:
    """What follows the last `####` of a text."""
    return Take((name,), _marked, "the text after #### in {}", replaces=True)


def _marked(text: object) -> str | None:
    return text.rpartition("####")[2].strip() if isinstance(text, str) and "####" in text else None


def asked(*names: str) -> Take:
    """The user's turn of a chat, or a text unchanged, from the first of these columns that has either."""
    return Take(names, _asked, "what {} asks", one=True)


def _asked(*chats: object) -> str | None:
    for chat in chats:
        found = [turn["content"] for turn in turns(chat) if turn["role"] == "user"]
        if isinstance(chat, str) and chat.strip():
            return chat
        if len(found) == 1 and isinstance(found[0], str):
            return found[0]
    return None


def answered(name: str) -> Take:
    """The assistant's last turn of a chat, or a text unchanged."""
    return Take((name,), _answered, "the assistant's turn of {}")


def _answered(chat: object) -> str | None:
    if isinstance(chat, str):
        return chat
    found = [turn["content"] for turn in turns(chat) if turn["role"] == "assistant"]
    return found[-1] if found and isinstance(found[-1], str) else None


def turns(chat: object) -> list[dict[str, Any]]:
    """The turns of a chat with `role` and `content`, also if it has `from` and `value`; empty if it is not a chat.

    Other fields of a turn are kept.
    """
    if not isinstance(chat, list) or not all(isinstance(turn, dict) for turn in chat):
        return []
    return [_turn(turn) for turn in chat]


def _turn(turn: dict[str, Any]) -> dict[str, Any]:
    role, content = turn.get("role", turn.get("from")), turn.get("content", turn.get("value"))
    rest = {name: value for name, value in turn.items() if name not in ("from", "value")}
    return {**rest, "role": _ROLES.get(str(role), str(role)), "content": content}


def chat(name: str, system: str) -> Take:
    """The turns of a chat with our role names; a missing system turn is taken from the column `system`."""
    return Take((name, system), _chat)


def _chat(found: object, system: object) -> list[dict[str, Any]] | None:
    said = turns(found)
    if said and isinstance(system, str) and system.strip() and all(turn["role"] != "system" for turn in said):
        said = [{"role": "system", "content": system}, *said]
    return said or None


def thought(thinking: str, answer: str) -> Take:
    """A trace from its thinking and its answer; if there are several texts of thinking, from the first."""
    return Take((thinking, answer), _thought)


def _thought(thinking: object, answer: object) -> str | None:
    first = thinking[0] if isinstance(thinking, list) and thinking else thinking
    return with_thought(first, answer) if isinstance(first, str) and isinstance(answer, str) else None


def both(instruction: str, material: str) -> Take:
    """An instruction and its optional input, as two paragraphs."""
    return Take((instruction, material), _both)


def _both(instruction: object, material: object) -> str | None:
    if not isinstance(instruction, str):
        return None
    return f"{instruction}\n\n{material}" if isinstance(material, str) and material.strip() else instruction


LAYOUTS: Sequence[Layout] = (
    Layout(
        "results of Qwen-eval",
        ("question", "gt", "code"),
        {"problem": the("question"), "answer": the("gt"), "completion": the("code")},
    ),
    Layout("Qwen-eval", ("question", "gt"), {"problem": the("question"), "answer": the("gt")}),
    Layout(
        "OpenMathReasoning",
        ("generated_solution", "expected_answer"),
        {
            "problem": the("problem", "question"),
            "answer": the("expected_answer"),
            "completion": the("generated_solution"),
            "source": the("problem_source"),
        },
    ),
    Layout(
        "NeMo-Skills",
        ("expected_answer",),
        {
            "problem": the("problem", "question"),
            "answer": the("expected_answer"),
            "completion": the("generation"),
        },
        solution=the("reference_solution", "solution"),
    ),
    Layout("OpenR1-Math", ("problem", "generations[]"), {"completion": the("generations")}, solution=the("solution")),
    Layout(
        "DeepMath",
        ("question", "final_answer", "r1_solution_1"),
        {
            "problem": the("question"),
            "answer": the("final_answer"),
            "completion": each("r1_solution_1", "r1_solution_2", "r1_solution_3"),
        },
    ),
    Layout(
        "OlympiadBench",
        ("question", "final_answer"),
        {"problem": the("question"), "answer": the("final_answer")},
        solution=Take(("solution",), lambda found: found[0] if isinstance(found, list) and found else found),
    ),
    Layout(
        "s1K-1.1",
        ("question", "deepseek_thinking_trajectory", "deepseek_attempt"),
        {
            "problem": the("question"),
            "answer": boxed("solution"),
            "completion": thought("deepseek_thinking_trajectory", "deepseek_attempt"),
        },
    ),
    Layout(
        "s1K",
        ("question", "thinking_trajectories[]", "attempt"),
        {
            "problem": the("question"),
            "answer": boxed("solution"),
            "completion": thought("thinking_trajectories", "attempt"),
        },
    ),
    Layout(
        "verl",
        ("prompt", "reward_model"),
        {
            "problem": asked("extra_info.question", "prompt"),
            "answer": the("reward_model.ground_truth"),
            "source": the("data_source"),
        },
    ),
    Layout(
        "ShareGPT",
        ("conversations[]",),
        {
            "problem": asked("conversations"),
            "completion": answered("conversations"),
            "messages": chat("conversations", "system"),
        },
    ),
    Layout(
        "Alpaca",
        ("instruction", "output"),
        {"problem": both("instruction", "input"), "completion": the("output")},
    ),
    Layout(
        "AIME",
        ("Problem", "Answer"),
        {"problem": the("Problem"), "answer": the("Answer")},
        solution=the("Solution"),
    ),
    Layout("AIME", ("Question", "Answer"), {"problem": the("Question"), "answer": the("Answer")}),
    Layout(
        "GSM8K",
        ("question", "answer####"),
        {"problem": the("question"), "answer": marked("answer"), "reference_solution": the("answer")},
        solution=the("answer"),
    ),
    Layout(
        "LIMO",
        ("question", "solution", "answer"),
        {"problem": the("question"), "completion": the("solution")},
        only=True,
    ),
    Layout("questions with answers", ("question", "answer"), {"problem": the("question")}, solution=the("solution")),
    Layout("MATH-500", ("problem", "answer", "unique_id"), solution=the("solution")),
    Layout("MathArena", ("problem", "answer", "problem_idx")),
    Layout("NuminaMath-1.5", ("problem", "answer", "question_type"), solution=the("solution")),
    Layout("problems with answers", ("problem", "answer"), solution=the("solution")),
    Layout("NuminaMath", ("problem", "solution"), {"answer": boxed("solution")}, solution=the("solution")),
    Layout("questions", ("question", "solution"), {"problem": the("question"), "answer": boxed("solution")}),
    Layout("questions", ("question",), {"problem": the("question")}),
    Layout(
        "TRL conversations",
        ("prompt[]",),
        {"problem": asked("prompt"), "completion": answered("completion")},
    ),
    Layout(
        "TRL conversations",
        ("messages[]",),
        {"problem": asked("messages"), "completion": answered("messages")},
    ),
)
"""All known layouts. The first that fits is used; therefore layouts that require more columns come first."""
