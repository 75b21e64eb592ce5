"""Does a program that is killed or interrupted at any moment lose, repeat or misreport anything?

    python benchmarks/fuzz_kills.py [--seconds 300] [--seed 0] [--verb NAME ...] [--train] [--smallest]

Each round disturbs every verb (tests/fuzz/verbs.py) at two moments and then lets it end: kills at calls that change
files, each of them once before any comes again; kills and requests to stop (SIGINT, SIGTERM, SIGHUP, to all processes
or to the first) at any event, or at any function of the package. The moment is the number of an event, and does not
depend on a clock. Prints counts by verb, and each find with what repeats it. With --train only trainings are disturbed,
or beside the verbs that are named.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

from _options import Options

sys.path.append(str(Path(__file__).parents[1]))
from promptcot.interruption import REQUESTS
from tests.fuzz.kills import ANYTHING, CALLS, CHANGE, Attacker, Reference
from tests.fuzz.moments import Moment
from tests.fuzz.verbs import TRAIN, VERBS, Kitchen, Verb, kitchen


class Rounds:
    """One verb, round after round."""

    def __init__(self, name: str, verb: Verb, inputs: Kitchen, folder: Path, seed: int) -> None:
        self.name, self.counts, self.finds = name, Counter[str](), list[str]()
        self._draws, self._attacker = random.Random(f"{seed} {name}"), Attacker(name, verb, inputs, folder)
        self._reference = self._attacker.reference()
        self._calls: Reference | None = None
        self._kinds = cycle([self._any_request, self._any_kill, self._request_in_a_call, self._kill_in_a_call])
        self.changes = self._reference.places(CHANGE)
        self._left = self._shuffled()

    def once(self) -> None:
        """Disturb it at a change of files and at another moment, in this order or the other."""
        moments = [next(self._kinds)()]
        if self.changes:
            moments.insert(self._draws.randrange(2), Moment(next(self._left), ANYTHING))
        for moment in moments:
            self.counts["kill" if moment.how.name == "SIGKILL" else "request"] += 1
        found = self._attacker.disturbed(self._reference, moments)
        self.finds += [f"{self.name}, {moments}: {wrong}" for wrong in found]

    def _shuffled(self) -> Iterator[int]:
        while True:
            yield from self._draws.sample(self.changes, len(self.changes))

    def _any_request(self) -> Moment:
        return Moment(self._number(self._reference), ANYTHING, *self._request())

    def _any_kill(self) -> Moment:
        return Moment(self._number(self._reference), ANYTHING)

    def _request_in_a_call(self) -> Moment:
        return Moment(self._number(self._in_calls()), CALLS, *self._request())

    def _kill_in_a_call(self) -> Moment:
        return Moment(self._number(self._in_calls()), CALLS)

    def _request(self) -> tuple[object, ...]:
        return self._draws.choice(REQUESTS), self._draws.choice(["all", "first"])

    def _number(self, reference: Reference) -> int:
        return self._draws.randrange(1, len(reference.done) + 1)

    def _in_calls(self) -> Reference:
        if self._calls is None:
            self._calls = self._attacker.reference(CALLS)
        return self._calls


def main() -> int:
    parser = Options(__doc__, seconds=0.0, verb=["filter"])
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verb", nargs="*", choices=VERBS, default=[], help="by default all")
    parser.add_argument("--train", action="store_true")
    chosen = parser.parse_args()
    verbs = {name: VERBS[name] for name in chosen.verb or ([] if chosen.train else VERBS)}
    verbs |= {"train": TRAIN} if chosen.train else {}
    until = time.monotonic() + chosen.seconds
    with tempfile.TemporaryDirectory() as folder, kitchen(Path(folder)) as inputs:
        rounds = [Rounds(name, verb, inputs, Path(folder), chosen.seed) for name, verb in verbs.items()]
        again = True
        while again:
            for one in rounds:
                one.once()
                again = time.monotonic() < until
                if not again:
                    break
    return _told(rounds)


def _told(rounds: list[Rounds]) -> int:
    for one in rounds:
        of = f"{len(one.changes)} changes of files"
        print(f"{one.name:20} {one.counts['kill']:5} kills, {one.counts['request']:4} requests to stop; {of}")
    finds = [find for one in rounds for find in one.finds]
    total = sum((one.counts for one in rounds), Counter[str]())
    print(f"{total['kill']:,} kills and {total['request']:,} requests to stop: {len(finds)} finds")
    for find in finds[:20]:
        print(find)
    print("MISS" if finds else "PASS")
    return 1 if finds else 0


if __name__ == "__main__":
    sys.exit(main())
