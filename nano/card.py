"""Writes the numbers of `nano/CARD.md`: `python -m nano.card OUT`.

OUT is the folder of `nano.train`; OUT/bench.json is what `benchmarks/nano_world.py --json` wrote, if it was run. The
tables stand between marks in the card, so that no number in it is typed by hand.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nano.curve import NO_SHARES, read
from nano.schedule import TRAININGS, WAVES
from nano.timing import times
from promptcot.storage.atomic import write_whole

CARD = Path(__file__).with_name("CARD.md")
_HEAD = "| model | architecture | begins from | weights | tokens | minutes | at the end, on fresh texts |"
_MEASURED = "| what | measured | 95 % interval | n | target | |"


def training_table(out: Path) -> Iterator[str]:
    """A row for each training that has a log, in the order in which they run."""
    yield _HEAD
    yield "| --- | --- | --- | ---: | ---: | ---: | --- |"
    for name in TRAININGS:
        log = out / name / "log.jsonl"
        if log.exists():
            yield _training_row(name, read(log))


def _training_row(name: str, lines: list[dict[str, Any]]) -> str:
    head = next(line for line in lines if "parameters" in line)
    asked = head["training"]
    shares: dict[str, Any] = next((line for line in reversed(lines) if line.keys() - NO_SHARES), {})
    found = ", ".join(f"{key.replace('_', ' ')} {shares[key]:.1%}" for key in shares if key not in NO_SHARES)
    cells = (
        name,
        "Qwen2" if asked["qwen"] else "Llama",
        asked["start"] or "nothing",
        f"{head['parameters'] / 1e6:.2f} M",
        f"{max(line['tokens'] for line in lines) / 1e6:.1f} M",
        f"{max(line['seconds'] for line in lines) / 60:.0f}",
        found or "–",
    )
    return f"| {' | '.join(cells)} |"


def in_all(out: Path) -> str:
    """How many tokens all trainings learnt, and how long they took on two cores."""
    lines = {name: read(log) for name in TRAININGS if (log := out / name / "log.jsonl").exists()}
    tokens = sum(max(line["tokens"] for line in log) for log in lines.values())
    known = times(out)
    return f"Together {tokens / 1e6:.0f} M tokens, {_timed(known) if known else _estimated(lines)}"


def _timed(known: Mapping[str, float]) -> str:
    """What the log of the whole training says."""
    parts = ", ".join(f"{part} {seconds / 60:.0f}" for part, seconds in known.items())
    return f"in {sum(known.values()) / 60:.0f} minutes on two cores ({parts}; interruptions left out)."


def _estimated(lines: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """What the logs of the trainings say: those of a wave begin in turn, on whichever of two cores is free."""
    seconds = 0.0
    for wave in WAVES:
        busy = [0.0, 0.0]
        for name in (training.name for training in wave if training.name in lines):
            busy = [min(busy) + max(line["seconds"] for line in lines[name]), max(busy)]
        seconds += max(busy)
    return (
        f"in about {seconds / 60:.0f} minutes on two cores by their own logs: without what passed between them, and "
        "without the writing of the generator's texts that judges and verifier learn from."
    )


def measured_table(bench: Mapping[str, Any]) -> Iterator[str]:
    """A row for each line of the benchmark."""
    yield _MEASURED
    yield "| --- | ---: | ---: | ---: | ---: | --- |"
    for line in bench["lines"]:
        shown = _number if line["unit"].strip() else _percent
        ends = [f"{sign} {shown(line[end])}" for sign, end in (("≥", "least"), ("≤", "most")) if line[end] is not None]
        absent = "n/a" if line["measured"] else "not measured"
        value = absent if line["value"] is None else f"{shown(line['value'])}{line['unit']}"
        interval = " to ".join(map(shown, line["interval"])) if line["interval"] else ""
        n = "" if line["n"] is None else f"{line['n']:,}"
        met = {None: "", True: "met", False: "**missed**"}[line["met"]]
        yield f"| {line['name'].strip()} | {value} | {interval} | {n} | {', '.join(ends)} | {met} |"


def _percent(share: float) -> str:
    return f"{share:.1%}"


def _number(value: float) -> str:
    return f"{value:,.0f}"


def filled(card: str, name: str, lines: list[str]) -> str:
    """The card with these lines between the marks of this name. Raises ValueError where it has no such marks."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    text = "\n".join([begin, "", *lines, "", end])
    result, count = re.subn(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: text, card, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"the card has {count} places for {name}, between {begin} and {end}")
    return result


def main() -> None:
    """Replace the tables of the card; without `bench.json` only that of the trainings."""
    parser = argparse.ArgumentParser(prog="python -m nano.card", description=__doc__)
    parser.add_argument("out", type=Path, help="the folder of `nano.train`")
    parser.add_argument("--card", type=Path, default=CARD, help="default: nano/CARD.md")
    chosen = parser.parse_args()
    card = chosen.card.read_text(encoding="utf-8")
    card = filled(card, "trainings", [*training_table(chosen.out), "", in_all(chosen.out)])
    bench = chosen.out / "bench.json"
    if bench.exists():
        card = filled(card, "measured", [*measured_table(json.loads(bench.read_text(encoding="utf-8")))])
    write_whole(chosen.card, card.encode())
    print(f"{chosen.card}: {'trainings and measures' if bench.exists() else f'trainings only; {bench} is not there'}")


if __name__ == "__main__":
    main()
