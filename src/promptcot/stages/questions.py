"""The prompt of a problem for a student: the raw prompt of `solve`, and the turns of a chat.

Decides the prompt of training rows. `label` decides which traces they contain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from promptcot.core.problems import problem_of
from promptcot.core.prompts import PromptSet
from promptcot.records import Row, Sampling
from promptcot.stages.solve import Solve


@dataclass(frozen=True, slots=True)
class Asked:
    """The prompt of a problem for a student: the raw `prompt`, and the user's turn of a chat."""

    prompt: str
    question: str

    def messages(self, completion: str) -> list[dict[str, str]]:
        """The chat of a trace; if the raw prompt opens the thinking, the reply opens it instead."""
        opened = self.prompt.rstrip().endswith("<think>") and not completion.lstrip().startswith("<think>")
        reply = f"<think>\n{completion.lstrip()}" if opened else completion
        return [*self.user_turn(), {"role": "assistant", "content": reply}]

    def user_turn(self) -> list[dict[str, str]]:
        """The chat without the reply."""
        return [{"role": "user", "content": self.question}]


def asks(prompts: PromptSet, style: str | None) -> Callable[[Row], Asked]:
    """Makes the prompts for a student: the raw prompt of `solve`, and the question of its chat."""
    stage = Solve(prompts, Sampling(), 0, style=style)

    def asked(row: Row) -> Asked:
        [request] = stage.ask({"sample": 0, **row, "id": row.get("id")})
        [*_, question] = prompts.messages("solve", problem=problem_of(row, f"row {row.get('id')}"))
        return Asked(request.prompt, question.content)

    return asked
