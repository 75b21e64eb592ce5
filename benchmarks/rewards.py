"""Speed of each trainer's adapter in scoring replies, against direct calls of Math-Verify, and the import time.

    python benchmarks/rewards.py [--replies 4000] [--beside 400] [--characters 8000] [--smallest]

Traces as models write them, golds mostly integers, three in ten answers wrong; no pair is seen twice. Traces of 800
characters, which no model that thinks writes, are the hard case: Math-Verify searches all of a trace. Adapters of
frameworks that are not installed are called through stand-ins of the classes that they derive from, in the form in
which the framework calls them: a batch, one reply after the other, or many at once on an event loop.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import random
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
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
Call = Callable[[], list[Any]]
"""Scores the pairs, which an adapter's framework has put into its own form before."""


def traces(count: int, characters: int) -> list[tuple[str, str]]:
    """(gold, text): nine golds in ten are integers."""
    draws, found = random.Random(1), []
    for number in range(count):
        gold = str(number + 10) if draws.randrange(10) else f"\\frac{{{number + 1}}}{{7}}"
        answer = str(draws.randrange(9000)) if draws.randrange(10) < 3 else gold
        steps = "".join(THOUGHT.format(draws.randrange(100)) for _ in range(characters // len(THOUGHT)))
        found.append((gold, f"<think>\n{steps}\n</think>\n\n**Final Answer**\n\\boxed{{{answer}}}"))
    return found


def by_trl(pairs: Pairs) -> Call:
    from promptcot.rewards.trl import Reward

    replies = [[{"role": "assistant", "content": text}] for _, text in pairs]
    prompts, golds = [""] * len(pairs), [gold for gold, _ in pairs]
    return lambda: Reward()(prompts, replies, answer=golds)


def by_verl(pairs: Pairs) -> Call:
    from promptcot.rewards.verl import compute_score

    return lambda: [compute_score("set", text, gold, {})["score"] for gold, text in pairs]


def by_openrlhf(pairs: Pairs) -> Call:
    from promptcot.rewards.openrlhf import reward_func

    queries = [(f"Q: {text}", gold) for gold, text in pairs]
    return lambda: [float(reward_func([query], ["Q: "], [gold])["rewards"][0]) for query, gold in queries]


def by_nemo_rl(pairs: Pairs) -> Call:
    from promptcot.rewards.nemo_rl import PromptCoTEnvironment

    logs = [[{"role": "user", "content": "Q"}, {"role": "assistant", "content": text}] for _, text in pairs]
    metadata, environment = [{"ground_truth": gold} for gold, _ in pairs], PromptCoTEnvironment({})
    return lambda: list(map(float, environment.step(logs, metadata).rewards))


def by_nemo_gym(pairs: Pairs) -> Call:
    from promptcot.rewards.nemo_gym import PromptCoTConfig, PromptCoTRequest, PromptCoTServer

    server, bodies = PromptCoTServer(config=PromptCoTConfig()), []
    for gold, text in pairs:
        output = [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}]
        response = {"output": output, "status": "completed"}
        bodies.append(PromptCoTRequest(responses_create_params={}, response=response, expected_answer=gold))
    return lambda: [one.reward for one in asyncio.run(at_once(map(server.verify, bodies)))]


def by_skyrl(pairs: Pairs) -> Call:
    from promptcot.rewards.skyrl import PromptCoTEnv

    made = [(PromptCoTEnv(extras={"reward_spec": {"ground_truth": gold}}), text) for gold, text in pairs]
    return lambda: [environment.step(text)["reward"] for environment, text in made]


def by_verifiers(pairs: Pairs) -> Call:
    from promptcot.rewards.verifiers import PromptCoTData, PromptCoTTask, PromptCoTTaskConfig

    config, made = PromptCoTTaskConfig(), []
    for gold, text in pairs:
        trace = SimpleNamespace(last_reply=text, is_truncated=False, record_metrics=lambda values: None)
        made.append((PromptCoTTask(PromptCoTData(prompt="Q", answer=gold), config), trace))
    return lambda: asyncio.run(at_once(task.correct(trace) for task, trace in made))


def by_math_verify(pairs: Pairs) -> Call:
    return lambda: [float(verify(parse(f"${gold}$"), parse(text))) for gold, text in pairs]


async def at_once(calls: Iterable[Awaitable[Any]]) -> list[Any]:
    return list(await asyncio.gather(*calls))


ADAPTERS = {
    "TRL": by_trl,
    "verl": by_verl,
    "OpenRLHF": by_openrlhf,
    "NeMo RL": by_nemo_rl,
    "NeMo Gym": by_nemo_gym,
    "SkyRL": by_skyrl,
    "verifiers": by_verifiers,
}


def rate(adapter: Callable[[Pairs], Call], pairs: Pairs) -> tuple[float, list[Any]]:
    """Pairs a second, and what they are worth."""
    score = adapter(pairs)
    gc.collect()
    started = time.perf_counter()
    found = score()
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
    rate(by_math_verify, warm)
    theirs, _ = rate(by_math_verify, beside)
    print(f"Math-Verify, called directly: {theirs:,.0f} pairs a second")
    slowest, right = float("inf"), True
    with stand_ins():
        for (name, adapter), pairs in zip(ADAPTERS.items(), parts, strict=True):
            rate(adapter, warm)
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
