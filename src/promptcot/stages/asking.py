"""What stages share: how a conversation of a prompt set is asked, and what becomes of a reply that cannot be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from promptcot.core.prompts import PromptSet
from promptcot.records import Completion, Drop, Request, Retry, Row, Sampling


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks the conversations of a domain, raw or as a chat."""

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
    """All that a model is shown by a request."""
    return request.prompt or "\n".join(message.content for message in request.messages)


def counted(reply: Completion) -> Row:
    """The fields of a row that say why the model stopped, and what the reply took."""
    return {name: getattr(reply, name) for name in ("finish_reason", "prompt_tokens", "completion_tokens")}


def unreadable(reply: Completion, reason: str) -> Drop:
    """A drop with the raw text: `empty`, or `unreadable: ` and the reason."""
    return Drop(reason if reason == "empty" else f"unreadable: {reason}", (reply.text,), reply.finish_reason)


def retried(reply: Completion, reason: str) -> Retry | Drop:
    """The wish to ask again about a reply that cannot be read; for one that was cut off, the drop at once.

    The same limit would mostly cut the next reply too, and that would be paid for as well. When the limit has grown,
    the journal has it asked again (`storage.journal`).
    """
    drop = unreadable(reply, reason)
    return drop if reply.truncated else Retry(reason, drop)
