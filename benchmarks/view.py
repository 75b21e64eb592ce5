"""The cost of `view`: seconds for the index of a run, a page, a filter, a full text search and a history; memory.

    python benchmarks/view.py [--rows 1000000] [--smallest]

A run of so many problems is made up: `generate`, two judges, `filter` (two fifths are dropped), `label`, `select` and
`set.jsonl`, with rows of about 2 kB in words of which some are in nearly every problem and most in few. The index is
built by a process of its own, as `view` builds it. Then `view` is started and its pages are asked for as a browser asks
for them. Each kind is asked for in several ways, each way once, and the slowest of them counts.
Targets at a million problems: 5 minutes for the index, 1 second for each page.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from _options import Options, verdict

from promptcot.records import Row
from promptcot.storage.json import dumps

INDEX_SECONDS, PAGE_SECONDS = 300, 1.0
LEVELS = ("AMC12", "AIME", "HMMT-Feb", "HMMT-Nov", "Putnam")
STEPS = ("generate", "judge-a", "judge-b", "filter", "filter.dropped", "label", "label.dropped", "select", "set")
CONSONANTS, VOWELS = "bdfgklmnprstvz", "aeiou"


class Words:
    """Texts of made-up words, whose frequencies fall as those of a language do."""

    def __init__(self, count: int) -> None:
        self._draw = random.Random(7)
        letters = (CONSONANTS, VOWELS, CONSONANTS, VOWELS, CONSONANTS)
        self._words = ["".join(map(self._draw.choice, letters)) for _ in range(count)]
        self._pool = self._draw.choices(self._words, weights=[1 / (1 + place) for place in range(count)], k=2_000_000)

    @property
    def common(self) -> str:
        """The most frequent word."""
        return self._words[0]

    def text(self, words: int) -> str:
        """A text of so many words, with a formula and a number."""
        start = self._draw.randrange(len(self._pool) - words)
        number = self._draw.randrange(10**6)
        return f"{' '.join(self._pool[start : start + words])} $x_{{{number}}}^2 + {number % 97}$"

    def concepts(self) -> list[str]:
        return [f"{self._words[self._draw.randrange(600)]} theorem" for _ in range(3)]

    def share(self) -> float:
        return self._draw.randrange(9) / 8


def rows_of(number: int, words: Words) -> Iterator[tuple[str, Row]]:
    """The rows of a problem, with the step of each."""
    material = {"foundational_concepts": words.concepts(), "level": LEVELS[number % len(LEVELS)]}
    material |= {
        "id": f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}",
        "prompt": "Concepts and level, as they are asked.",
    }
    texts = {"rationale": words.text(110), "problem": words.text(50)}
    made = {"id": material.pop("id"), **material, "completion": "\n".join(texts.values()), **texts}
    yield "generate", made
    perfect = number % 5 < 3
    for judge in "ab":
        rated = {"judge": judge, "judgement": "perfect" if perfect or (judge == "b" and number % 2) else "bad"}
        yield f"judge-{judge}", {**made, **rated, "ratings": {"format": "perfect"}, "completion": words.text(60)}
    if not perfect:
        yield "filter.dropped", {**made, "reason": "bad"}
        return
    yield "filter", made
    labelled = {**made, "agreement": words.share(), "pass_rate": words.share(), "n": 8, "answer": str(number)}
    if number % 10 == 0:
        yield "label.dropped", {**labelled, "answer": None, "reason": "unlabelled: tie"}
        return
    yield from ((step, labelled) for step in ("label", "select", "set"))


def write(directory: Path, rows: int) -> int:
    """Make the run; returns its bytes."""
    words = Words(60_000)
    files = {step: (directory / f"{step}.jsonl").open("wb") for step in STEPS}
    for number in range(rows):
        for step, row in rows_of(number, words):
            files[step].write(dumps(row))
    for file in files.values():
        file.close()
    stages = {step: {} for step in STEPS if "." not in step and step != "set"}
    (directory / "summary.json").write_text(json.dumps({"format": 1, "stages": stages}))
    return sum(path.stat().st_size for path in directory.iterdir())


BUILD = """
import sys; from pathlib import Path; from promptcot.viewer.index import Index, folder_for
from promptcot.inspection.files import RunFiles
run = Path(sys.argv[1]); Index(run, folder_for(run)).bring_up_to_date(RunFiles.of(run))
"""


def built(run: Path) -> tuple[float, float]:
    """Seconds and most gigabytes of memory to build the index."""
    begun = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", BUILD, str(run)])
    _, status, used = os.wait4(process.pid, 0)
    if status:
        sys.exit("the index was not built")
    return time.perf_counter() - begun, used.ru_maxrss * 1024 / 1e9


def questions(some: Any) -> dict[str, list[str]]:
    """Addresses by kind; `some` is a problem of the run: (id, a rare word, a common word)."""
    row_id, rare, common = some
    return {
        "first page": ["/"],
        "filter": [
            *(
                "/?level=AIME",
                "/?verdict=bad",
                "/?agreement_from=0.9&pass_rate_to=0.3&level=Putnam",
                "/?review=reviewed",
            ),
            *("/?sort=agreement", "/?sort=-pass_rate&level=AIME", f"/?concept={common}+theorem&sort=agreement"),
        ],
        "full text search": [
            *(
                f"/?q={rare}",
                f"/?q={common}",
                f"/?q={common}+{rare}",
                f"/?q=%22{common}+{rare}%22",
                f"/?q={common[:2]}*",
            ),
            f"/?q={common}&level=AIME&sort=-agreement",
        ],
        "history": [f"/problem?id={row_id}", f"/problem?id={row_id}&q={common}&sort=agreement"],
    }


def asked(run: Path, addresses: list[str]) -> tuple[float, dict[str, float]]:
    """Seconds until `view` prints its address where the index is there already, and those that each page takes."""
    begun = time.perf_counter()
    command = [sys.executable, "-m", "promptcot", "view", str(run), "--no-open"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            address = next(line for line in server.stdout or () if line.startswith("open")).split()[1]
            opened = time.perf_counter() - begun
            opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(), _NoRedirect)
            with contextlib.suppress(urllib.error.HTTPError):
                opener.open(address)
            base = address.partition("/open/")[0]
            return opened, {one: _seconds(opener, base + one) for one in addresses}
        finally:
            server.send_signal(signal.SIGINT)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """The first page is asked for on its own."""


def _seconds(opener: urllib.request.OpenerDirector, address: str) -> float:
    begun = time.perf_counter()
    opener.open(address).read()
    return time.perf_counter() - begun


def main() -> int:
    options = Options(__doc__, rows=200)
    options.add_argument("--rows", type=int, default=1_000_000)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder)
        size = write(run, chosen.rows)
        print(f"{chosen.rows:,} problems, {size / 1e9:.2f} GB in {len(STEPS)} files")
        seconds, memory = built(run)
        index = sum(path.stat().st_size for path in (run / "view.index").iterdir())
        print(f"index: {seconds:.1f} s, {memory:.2f} GB of memory in the largest process, {index / 1e9:.2f} GB on disk")
        some = json.loads((run / "generate.jsonl").open().readline())
        words = some["problem"].split()
        asked_for = questions((some["id"], words[7], Words(60_000).common))
        opened, took = asked(run, [address for addresses in asked_for.values() for address in addresses])
    print(f"opened: {opened:.2f} s")
    slowest = 0.0
    for kind, addresses in asked_for.items():
        for address in addresses:
            print(f"  {took[address]:6.3f} s  {kind}: {address}")
            slowest = max(slowest, took[address])
    return verdict(chosen, seconds <= INDEX_SECONDS and slowest <= PAGE_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
