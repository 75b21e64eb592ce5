"""The reward for OpenRLHF: `--reward.remote_url FILE`, where FILE is this module or one of your own that imports
`reward_func` from it.

OpenRLHF calls it in threads of its rollout actors, with the prompt and the reply in one text. OpenRLHF has no value for
a missing reward, so a row that cannot be scored gets 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from promptcot.rewards.rules import Options
from promptcot.rewards.scoring import NAMES, score_batch
from promptcot.rewards.texts import continued


def reward_func(
    queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any], **options: Unpack[Options]
) -> dict[str, Any]:
    """`rewards` for the advantage and `scores`, 1 for a right answer, for the dynamic filter; tensors of shape (n,)."""
    import torch

    replies = [continued(prompt, _reply(query, prompt)) for query, prompt in zip(queries, prompts, strict=True)]
    scores = score_batch(replies, labels, **options)
    columns = {
        "rewards": [one.number for one in scores],
        "scores": [float(one.reason == "right") for one in scores],
        **{name: [float(reason == one.reason) for one in scores] for reason, name in NAMES.items()},
    }
    found = dict(zip(columns, torch.tensor([*columns.values()]).unbind(), strict=True))  # quicker than eight tensors
    return {"rewards": found.pop("rewards"), "scores": found.pop("scores"), "extra_logs": found}


def _reply(query: str, prompt: str) -> str:
    """The text after the prompt, or after its end if a tokenizer re-decoded the prompt or cut off its start."""
    for end in (prompt, prompt[-8:]):
        if end and end in query:
            return query.split(end, prompt.count(end))[-1]
    return query
