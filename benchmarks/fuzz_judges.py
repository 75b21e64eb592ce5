"""Does a refusing judge ever give a verdict, or a refusing verifier a vote, whatever it repeats of its prompt?

    python benchmarks/fuzz_judges.py [--replies 100000] [--votes 30000] [--seed 0] [--smallest]

Replies come from the grammars in tests/fuzz/hostile_judges.py and tests/fuzz/hostile_votes.py; verifiers also disown
what they write, or contradict themselves. Every tenth trial also asks an honest judge, who repeats the same material
and rates under its mark. Prints why replies are invalid, and the share of honest replies that are read. A verdict of a
refusing judge, a vote of such a verifier, or another verdict of an honest one than it gave, is shown with its seed, and
is a failure.
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from pathlib import Path

from _options import Options

sys.path.append(str(Path(__file__).parents[1]))
from promptcot.core.parsing.judging import read_reply
from promptcot.core.parsing.verifying import read_vote
from tests.fuzz import hostile_votes
from tests.fuzz.hostile_judges import CRITERIA, honest, refusing, scene

_HONEST_EVERY = 10


def main() -> int:
    parser = Options(__doc__, replies=200, votes=60)
    parser.add_argument("--replies", type=int, default=100_000)
    parser.add_argument("--votes", type=int, default=30_000)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    reasons: Counter[str] = Counter()
    rated: Counter[bool] = Counter()
    finds: list[str] = []
    began = time.monotonic()
    for seed in range(chosen.seed, chosen.seed + chosen.replies):
        reason, rating = _one(seed, asked_for_honesty=seed % _HONEST_EVERY == 0)
        reasons[reason.partition(":")[0]] += 1
        rated += Counter() if rating is None else Counter([rating == "read"])
        if reason.startswith("verdict: ") or rating == "another":
            finds.append(f"seed {seed}: {reason}, honest: {rating}")
    print(f"{chosen.replies:,} replies in {time.monotonic() - began:,.0f} s: {len(finds)} verdicts that no judge gave")
    print(", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common()))
    print(f"honest judges about the same materials: {rated[True]:,} of {rated.total():,} read")
    finds += _votes(range(chosen.seed, chosen.seed + chosen.votes))
    for find in finds[:20]:
        print(find)
    print("MISS" if finds else "PASS")
    return 1 if finds else 0


def _one(seed: int, *, asked_for_honesty: bool) -> tuple[str, str | None]:
    """Why the reply of a refusing judge is invalid; and what becomes of an honest one's, if there is one."""
    draws = random.Random(seed)
    at = scene(draws)
    mark = draws.choice([at.mark, at.mark, None])
    judgement = read_reply(refusing(at, draws), "stop", CRITERIA, at.material, mark)
    reason = judgement.reason or f"verdict: {judgement.verdict}"
    if not asked_for_honesty:
        return reason, None
    reply, words = honest(at, draws)
    judgement = read_reply(reply, "stop", CRITERIA, at.material, at.mark)
    if judgement.verdict == "invalid":
        return reason, "invalid"
    return reason, "read" if [*judgement.ratings.values(), judgement.verdict] == words else "another"


def _votes(seeds: range) -> list[str]:
    """The votes that no verifier gave, after a line that counts the replies."""
    reasons: Counter[str] = Counter()
    finds: list[str] = []
    for seed in seeds:
        draws = random.Random(seed)
        at = hostile_votes.scene(draws)
        speaks = draws.choice((hostile_votes.refusing, hostile_votes.disowning, hostile_votes.spoilt))
        vote = read_vote(speaks(at, draws), "stop", hostile_votes.ASKED, at.problem, at.mark)
        reasons[(vote.reason or f"vote: {vote.verdict}").partition(":")[0]] += 1
        finds += [] if vote.reason else [f"seed {seed}: {speaks.__name__}, vote: {vote.verdict}"]
    print(f"{len(seeds):,} replies of verifiers: {len(finds)} votes that nobody gave")
    print(", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common()))
    return finds


if __name__ == "__main__":
    sys.exit(main())
