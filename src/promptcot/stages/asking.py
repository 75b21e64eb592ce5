"""Shared by stages: building a request from a prompt set, and handling replies that cannot be parsed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from promptcot.core.prompts import PromptSet
from promptcot.records import Completion, Drop, Request, Retry, Row, Sampling


@dataclass(frozen=True, slots=True)
class Asker:
    """Builds requests from the conversations of a domain, as raw prompts or as chats."""

    prompts: PromptSet
    sampling: Sampling
    chat: bool = False

    def request(self, conversation: str, seed: int, variables: Mapping[str, Any]) -> Request:
        """The request. Raises InputError if the domain lacks the conversation or it uses an unknown variable."""
        if self.chat:
            turns = self.prompts.messages(conversation, **variables)
            return Request(messages=turns, sampling=self.sampling, seed=seed)
        return Request(prompt=self.prompts.render(conversation, **variables), sampling=self.sampling, seed=seed)


def text_of(request: Request) -> str:
    """All text of a request that the model sees."""
    return request.prompt or "\n".join(message.content for message in request.messages)


def counted(reply: Completion) -> Row:
    """The fields of a row for the finish reason and the token counts of a reply."""
    return {name: getattr(reply, name) for name in ("finish_reason", "prompt_tokens", "completion_tokens")}


def unreadable(reply: Completion, reason: str) -> Drop:
    """A drop with the raw text; its reason is `empty`, or `unreadable: ` and the reason."""
    return Drop(reason if reason == "empty" else f"unreadable: {reason}", (reply.text,), reply.finish_reason)


def retried(reply: Completion, reason: str) -> Retry | Drop:
    """A retry for a reply that cannot be parsed; a reply that was cut off is dropped at once.

    With the same limit the next reply would usually be cut off too, and would cost as much. When the limit is raised,
    the journal requests the reply again (`storage.journal`).
    """
    drop = unreadable(reply, reason)
    return drop if reply.truncated else Retry(reason, drop)
