"""Finds the reply to a request in a journal, also under the key that earlier versions used for the request."""

from __future__ import annotations

from promptcot.records import Completion, Request
from promptcot.storage.calls import Found
from promptcot.storage.journal import Journal


def known(journal: Journal, request: Request, model: str) -> Found:
    """The reply that fits, the reason why the found reply cannot be used, or nothing."""
    reply = journal.find(request.key(model), request)
    if isinstance(reply, Completion) or request.earlier is None:
        return reply
    earlier = journal.find(request.earlier.key(model), request.earlier)
    return earlier if isinstance(earlier, Completion) or reply is None else reply
