"""The verifier as a reward for trainers: `score`, `score_batch`, and their asyncio versions.

Each trainer's adapter is a separate module, which nothing else imports (except that `training` imports `trl`): `trl`,
`verl`, `openrlhf`, `nemo_rl`, `nemo_gym`, `skyrl`, `verifiers`. Neither torch nor computer algebra is loaded here. See
docs/rewards.md.
"""

from promptcot.rewards.rules import Options, Rules
from promptcot.rewards.scoring import Score, ascore, ascore_batch, passes, score, score_batch
from promptcot.rewards.verdicts import REASONS, Reason

__all__ = ["REASONS", "Options", "Reason", "Rules", "Score", "ascore", "ascore_batch", "passes", "score", "score_batch"]
