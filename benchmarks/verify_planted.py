"""How many planted defects does a model's `verify` find, and how many sound problems does it reject?

    python benchmarks/verify_planted.py --data-path problems.jsonl [--problems 100] [--seed 0] [--output-dir DIR] \\
        -- --base-url https://HOST/v1 --model-path NAME --use-chat-template --votes 5 --min-share 0.6

What stands behind `--` goes to `promptcot verify` as it is. The problems of the file are taken for sound: give one
whose problems are, such as a benchmark. Each defect is planted into as many of them as were asked for, or as have a
place for it, by the rules of `_defects.py`, and asked about beside the sound ones; so a model is asked about each
problem up to six times.

Recall is the share of planted problems that do not pass (invalid, or undecided), precision the share of planted ones
among what does not pass where each defect meets as many sound problems; both with 95 % intervals (Wilson), the one of
precision on what was left out. Rows that failed are counted for nothing. With --smallest, and where nothing stands
behind `--`, the mock server answers, which knows nothing of problems. The planted file and the outputs stay in
--output-dir.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

from _defects import DEFECTS, planted
from _mock import mock_server
from _options import Options

from promptcot.cli import main as promptcot
from promptcot.core.columns import Columns
from promptcot.core.problems import problem_of
from promptcot.core.statistics.wilson import wilson_interval
from promptcot.nano import seeds_path
from promptcot.records import Row
from promptcot.storage.rows import read_rows
from promptcot.storage.writer import RowWriter

SOUND = "sound"
PASSED, INVALID, UNDECIDED = "valid", "invalid", "undecided"


def main() -> int:
    own, behind = _parted(sys.argv[1:])
    parser = Options(__doc__, problems=8)
    parser.add_argument("--data-path", type=Path, default=seeds_path(), help="sound problems (default: nano's seeds)")
    parser.add_argument("--problems", type=int, default=100, help="the most problems for each defect")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output-dir", type=Path, help="where the rows stay (default: nowhere)")
    chosen = parser.parse_args(own)
    with tempfile.TemporaryDirectory() as anywhere:
        folder = chosen.output_dir or Path(anywhere)
        folder.mkdir(parents=True, exist_ok=True)
        rows = list(plant(sound_problems(chosen.data_path), chosen.problems, chosen.seed))
        if not rows:
            raise SystemExit(f"{chosen.data_path}: there is no problem without a figure")
        write(folder / "planted.jsonl", rows)
        with nullcontext("") if behind else mock_server() as url:
            options = behind or ["--base-url", url, "--prompts", "math", "--votes", "3"]
            code = verify(folder, options)
        return code or report(rows, folder)


def _parted(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Our options, and those behind `--`."""
    place = words.index("--") if "--" in words else len(words)
    return list(words[:place]), list(words[place + 1 :])


def sound_problems(path: Path) -> list[str]:
    """The problems of a file, each once."""
    rows = Columns().problems(read_rows(path))
    return list(dict.fromkeys(problem_of(row, f"{path}, row {number}") for number, row in rows))


def plant(problems: Sequence[str], most: int, seed: int) -> Iterator[Row]:
    """Rows with `problem` and `defect`: up to `most` for each, drawn from all, and sound ones that they are made of."""
    made_of: dict[str, None] = {}
    for defect in DEFECTS:
        order = random.Random(f"{seed} {defect}").sample(problems, len(problems))
        edits = ((one, planted(one, defect, random.Random(f"{seed} {defect} {one}"))) for one in order)
        found = [(one, edited) for one, edited in edits if edited is not None][:most]
        made_of |= dict.fromkeys(one for one, _ in found)
        for place, (one, edited) in enumerate(found):
            yield {"id": f"{defect} {place}", "problem": edited, "defect": defect, "made_of": one}
    for place, one in enumerate(random.Random(seed).sample([*made_of], min(most, len(made_of)))):
        yield {"id": f"{SOUND} {place}", "problem": one, "defect": SOUND}


def write(path: Path, rows: Sequence[Row]) -> None:
    """Write the rows, whole."""
    writer = RowWriter(path)
    for row in rows:
        writer.write(row)
    writer.commit()


def verify(folder: Path, options: Sequence[str]) -> int:
    """Run `promptcot verify` over the planted file; its exit code, 0 also where nothing was valid."""
    paths = ["--data-path", str(folder / "planted.jsonl"), "--output-path", str(folder / "verified.jsonl")]
    code = promptcot(["verify", *paths, "--keep-going", *options])
    return 0 if (folder / "verified.jsonl").exists() else code or 1


def report(rows: Sequence[Row], folder: Path) -> int:
    """Print what became of the rows, by defect; the exit code, 1 where rows failed."""
    became = dict(_became(folder))
    found = {defect: Counter[str]() for defect in (SOUND, *DEFECTS)}
    for row in rows:
        found[row["defect"]][became.get(row["id"], "failed")] += 1
    asked = sum(counts.total() for counts in found.values())
    print(f"\n{asked} problems: {found[SOUND].total()} sound, the others with one defect each")
    print(f"{'defect':<24}{'n':>5} {'invalid':>8} {'undecided':>10} {'passed':>7}  {'recall':<26}precision")
    for defect in DEFECTS:
        print(_line(defect, found[defect], found[SOUND]))
    every = sum((found[defect] for defect in DEFECTS), Counter[str]())
    print(_line("all defects", every, found[SOUND]))
    left_out, n = _left_out(found[SOUND])
    print(f"sound problems left out: {_share(left_out, n)}, of these {found[SOUND][UNDECIDED]} undecided")
    print(
        "named: " + (", ".join(f"{reason}: {count}" for reason, count in _reasons(folder).most_common(8)) or "nothing")
    )
    failed = sum(counts["failed"] for counts in found.values())
    print(f"{failed} rows failed, and count for nothing" if failed else "no row failed")
    return 1 if failed else 0


def _became(folder: Path) -> Iterator[tuple[str, str]]:
    for row in read_rows(folder / "verified.jsonl", may_be_empty=True):
        yield row["id"], PASSED
    for row in _dropped(folder):
        yield row["id"], row["validity"]["verdict"]


def _dropped(folder: Path) -> Iterator[Row]:
    path = folder / "verified.dropped.jsonl"
    return read_rows(path, may_be_empty=True) if path.exists() else iter(())


def _reasons(folder: Path) -> Counter[str]:
    return Counter(row["reason"] for row in _dropped(folder) if row["defect"] != SOUND)


def _left_out(counts: Mapping[str, int]) -> tuple[int, int]:
    """How many did not pass, and how many there are, without those that failed."""
    left_out = counts[INVALID] + counts[UNDECIDED]
    return left_out, left_out + counts[PASSED]


def _line(defect: str, counts: Mapping[str, int], sound: Mapping[str, int]) -> str:
    """One line of the table. Precision is for as many sound problems as planted ones."""
    caught, n = _left_out(counts)
    wrongly, of = _left_out(sound)
    alike = round(wrongly * n / of) if of else 0
    numbers = f"{n:>5} {counts[INVALID]:>8} {counts[UNDECIDED]:>10} {counts[PASSED]:>7}"
    return f"{defect:<24}{numbers}  {_share(caught, n):<26}{_share(caught, caught + alike)}"


def _share(part: int, n: int) -> str:
    interval = wilson_interval(part, n)
    return "n/a" if interval is None else f"{part / n:.0%} ({interval[0]:.0%} to {interval[1]:.0%}) of {n}"


if __name__ == "__main__":
    sys.exit(main())
