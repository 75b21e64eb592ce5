"""How quickly each trainer's adapter scores replies, beside Math-Verify called directly, and what an import takes.

    python benchmarks/rewards.py [--replies 4000] [--beside 400] [--characters 8000] [--smallest]

Traces as models write them, golds mostly integers, three in ten answers wrong; no pair is seen twice. Traces of 800
characters, which no model that thinks writes, are the hard case: Math-Verify searches all of a trace. Adapters of
frameworks that are not installed are called through stand-ins of the classes that they derive from, in the form in
which the framework calls them: a batch, one reply after the other, or many at once on an event loop.
"""

from __future__ import annotations

import asyncio
import logging
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from _options import Options, verdict

sys.path.insert(0, str(Path(__file__).parent.parent))
from math_verify import parse, verify

from promptcot import rewards
from tests.reward_stand_ins import stand_ins

TARGET, TARGET_IMPORT = 20, 0.2
THOUGHT = "We try $k = {0}$ and get $\\frac{{{0}}}{{2}} + {0}^2$, which is too large, so we go back to the sum. "
Pairs = Sequence[tuple[str, str]]


def traces(count: int, characters: int) -> list[tuple[str, str]]:
    """(gold, text): nine golds in ten are integers."""
    draws, found = random.Random(1), []
    for number in range(count):
        gold = str(number + 10) if draws.randrange(10) else f"\\frac{{{number + 1}}}{{7}}"
        answer = str(draws.randrange(9000)) if draws.randrange(10) < 3 else gold
        steps = "".join(THOUGHT.format(draws.randrange(100)) for _ in range(characters // len(THOUGHT)))
        found.append((gold, f"<think>\n{steps}\n</think>\n\n**Final Answer**\n\\boxed{{{answer}}}"))
    return found


def by_trl(pairs: Pairs) -> list[float]:
    from promptcot.rewards.trl import Reward

    replies = [[{"role": "assistant", "content": text}] for _, text in pairs]
    return [value or 0.0 for value in Reward()([""] * len(pairs), replies, answer=[gold for gold, _ in pairs])]


def by_verl(pairs: Pairs) -> list[float]:
    from promptcot.rewards.verl import compute_score

    return [compute_score("set", text, gold, {})["score"] for gold, text in pairs]


def by_openrlhf(pairs: Pairs) -> list[float]:
    from promptcot.rewards.openrlhf import reward_func

    return [float(reward_func([f"Q: {text}"], ["Q: "], [gold])["rewards"][0]) for gold, text in pairs]


def by_nemo_rl(pairs: Pairs) -> list[float]:
    from promptcot.rewards.nemo_rl import PromptCoTEnvironment

    logs = [[{"role": "user", "content": "Q"}, {"role": "assistant", "content": text}] for _, text in pairs]
    found = PromptCoTEnvironment({}).step(logs, [{"ground_truth": gold} for gold, _ in pairs])
    return list(map(float, found.rewards))


def by_nemo_gym(pairs: Pairs) -> list[float]:
    from promptcot.rewards.nemo_gym import PromptCoTConfig, PromptCoTRequest, PromptCoTServer

    server = PromptCoTServer(config=PromptCoTConfig())

    async def ask(gold: str, text: str) -> float:
        output = [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}]
        response = {"output": output, "status": "completed"}
        body = PromptCoTRequest(responses_create_params={}, response=response, expected_answer=gold)
        return float((await server.verify(body)).reward)

    return asyncio.run(_all(ask, pairs))


def by_skyrl(pairs: Pairs) -> list[float]:
    from promptcot.rewards.skyrl import PromptCoTEnv

    return [PromptCoTEnv(extras={"reward_spec": {"ground_truth": gold}}).step(text)["reward"] for gold, text in pairs]


def by_verifiers(pairs: Pairs) -> list[float]:
    from promptcot.rewards.verifiers import PromptCoTData, PromptCoTTask, PromptCoTTaskConfig

    config = PromptCoTTaskConfig()

    async def ask(gold: str, text: str) -> float:
        trace = SimpleNamespace(last_reply=text, is_truncated=False, record_metrics=lambda values: None)
        return float(await PromptCoTTask(PromptCoTData(prompt="Q", answer=gold), config).correct(trace))

    return asyncio.run(_all(ask, pairs))


async def _all(ask: Callable[[str, str], Any], pairs: Pairs) -> list[float]:
    return list(await asyncio.gather(*(ask(gold, text) for gold, text in pairs)))


def by_math_verify(pairs: Pairs) -> list[float]:
    return [float(verify(parse(f"${gold}$"), parse(text))) for gold, text in pairs]


ADAPTERS = {
    "TRL": by_trl,
    "verl": by_verl,
    "OpenRLHF": by_openrlhf,
    "NeMo RL": by_nemo_rl,
    "NeMo Gym": by_nemo_gym,
    "SkyRL": by_skyrl,
    "verifiers": by_verifiers,
}


def rate(score: Callable[[Pairs], list[float]], pairs: Pairs) -> tuple[float, list[float]]:
    """Pairs a second, and what they are worth."""
    started = time.perf_counter()
    found = score(pairs)
    return len(pairs) / (time.perf_counter() - started), found


def import_seconds(times: int) -> float:
    """CPU that the import takes, interpreter included; the least of several."""
    program = "import promptcot.rewards, time; print(time.process_time())"
    return min(float(subprocess.check_output([sys.executable, "-c", program])) for _ in range(times))


def main() -> int:
    options = Options(__doc__, replies=200, beside=10, characters=800)
    options.add_argument("--replies", type=int, default=4000, help="how many replies each adapter scores")
    options.add_argument("--beside", type=int, default=400, help="how many of them Math-Verify scores")
    options.add_argument("--characters", type=int, default=8000, help="how long a trace is")
    chosen = options.parse_args()
    logging.disable(logging.ERROR)
    took = import_seconds(1 if chosen.smallest else 5)
    print(f"import promptcot.rewards: {took:.3f} s of CPU (target {TARGET_IMPORT} s)")
    warm, beside, *parts = _parts(chosen.replies, chosen.beside, chosen.characters)
    by_math_verify(warm)
    theirs, _ = rate(by_math_verify, beside)
    print(f"Math-Verify, called directly: {theirs:,.0f} pairs a second")
    slowest, right = float("inf"), True
    with stand_ins():
        for (name, adapter), pairs in zip(ADAPTERS.items(), parts, strict=True):
            adapter(warm)
            ours, found = rate(adapter, pairs)
            right &= found == [one.number for one in rewards.score_batch([t for _, t in pairs], [g for g, _ in pairs])]
            slowest = min(slowest, ours / theirs)
            print(f"{name}: {ours:,.0f} pairs a second, {ours / theirs:.0f} times")
    print(f"the slowest adapter is {slowest:.0f} times as quick (target {TARGET})")
    rewards.graders.close()
    return verdict(chosen, slowest >= TARGET and took <= TARGET_IMPORT, right=right)


def _parts(replies: int, beside: int, characters: int) -> list[Pairs]:
    """Pairs to warm up on, for Math-Verify, and for each adapter, all different."""
    sizes = [10, beside, *[replies] * len(ADAPTERS)]
    pairs = traces(sum(sizes), characters)
    return [pairs[sum(sizes[:place]) : sum(sizes[: place + 1])] for place in range(len(sizes))]


if __name__ == "__main__":
    sys.exit(main())
