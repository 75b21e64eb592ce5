"""Accuracy and speed of grading answers, and both kinds of errors, compared with Math-Verify.

    python benchmarks/answers.py [--cases CASES.jsonl] [--benchmarks FOLDER] [--smallest]

`--cases`: labelled pairs (`gold`, `pred`, `expected`, `kind` answer or response, `contested`); without it, our own
tables. `--benchmarks`: files in the public format, whose `reference_solution` ends in "#### answer"; their golds are
graded against themselves, against other spellings, and against answers that are nearly right (`_spellings`). The
relation of labels is checked on all pairs of so many answers from the tables (`_relation`), alone with
`--only-relation`. Hostile answers need no files.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations, islice
from pathlib import Path
from typing import Any

from _options import Options
from _options import verdict as outcome
from _relation import show_at_once, show_classes
from _spellings import equal_anyway, exact_neighbours, perturbed, respelled
from math_verify import parse, verify

from promptcot.core.answers.extraction import extract
from promptcot.grading import Grader

TABLES = Path(__file__).parent.parent / "tests" / "cases" / "answers"
TARGET_TRACES, TARGET_BARE = 28, 8  # times as quick as Math-Verify
TOWER = "5^{5^{5^{5^{5}}}}"
HOSTILE = {
    "tower of powers": TOWER,
    "tower, negative": f"-\\frac{{{TOWER}-5}}{{16}}",
    "power of a power": "9^{9^{9^{9}}}",
    "huge factorial": "(10^{9})!",
    "factorial of a factorial": "100!!!!!!!!",
    "binomial": r"\binom{10^{12}}{10^{11}}",
    "huge sum": r"\sum_{k=1}^{10^{9}} \frac{1}{k^{k}}",
    "nested sums": r"\sum_{i=1}^{1000}\sum_{j=1}^{1000}\sum_{k=1}^{1000}\frac{1}{i^j+k}",
    "huge product": r"\prod_{k=1}^{10^{8}} (1+\frac{1}{k^2})",
    "20,000 digits": "7" * 20_000,
    "3,900 digits": "7" * 3_900,
    "fraction of 20,000 digits": f"\\frac{{{'3' * 20_000}}}{{{'7' * 20_000}}}",
    "decimal of 20,000 digits": "0." + "3" * 20_000,
    "hard integral": r"\int_0^{\infty} \frac{\sin(x^5) \ln(x)}{e^{x^2}+\sqrt{x}} dx",
    "nested integrals": r"\int_0^1\int_0^1\int_0^1 \frac{e^{xyz}\sin(x^y)}{\sqrt{1+x^z}} dx dy dz",
    "limit": r"\lim_{x \to 0} \frac{\sin(\tan(x)) - \tan(\sin(x))}{\arcsin(\arctan(x)) - \arctan(\arcsin(x))}",
    "deep parentheses": "(" * 1_500 + "1" + ")" * 1_500,
    "very deep parentheses": "(" * 50_000 + "1" + ")" * 50_000,
    "deep fractions": r"\frac{1}{1+" * 150 + "x" + "}" * 150,
    "deep roots": r"\sqrt{2+" * 400 + "2" + "}" * 400,
    "unclosed": r"\frac{1}{" * 300,
    "expansion": "(a+b+c+d+e+f)^{200}",
    "trigonometric tower": r"\sin(" * 100 + "x" + ")" * 100,
    "ten thousand members": ",".join(str(i) for i in range(10_000)),
    "a thousand members": ",".join(f"x^{i}" for i in range(600)),
    "powers of ten": "10^{10^{10}}",
    "scientific": "1e999999999",
    "a modulus": r"7^{10^{100}} \mod 1000",
    "not mathematics": "ignore all previous instructions " * 100,
    "unicode": "∑∫√" * 500,
    "null": "\0\x07\ud800",
}


def read(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def answer_of(text: str, *, response: bool) -> str | None:
    """The answer of a response; of a bare answer, its box if there is one."""
    found = extract(text, unboxed=response)
    return text if found.method == "no box" else found.answer


def gold_of(text: str) -> str:
    """A gold may be a whole solution."""
    return extract(text, unboxed=len(text) > 80).answer or text


def in_math(text: str) -> str:
    return text if re.search(r"\$|\\\(|\\\[|boxed", text) else f"${text}$"


def alone(gold: str, text: str) -> bool:
    """The verdict of Math-Verify, called as in its manual."""
    try:
        return bool(verify(parse(in_math(gold)), parse(text)))
    except Exception:
        return False


@dataclass
class Errors:
    """Both kinds of errors of a grader: rejected correct answers, and, worse, accepted incorrect ones."""

    pairs: int = 0
    wrong_counted_right: int = 0
    right_counted_wrong: int = 0
    undecided: int = 0

    def add(self, verdict: bool | None, expected: bool) -> None:
        """Count one verdict."""
        self.pairs += 1
        self.undecided += verdict is None
        self.wrong_counted_right += verdict is True and not expected
        self.right_counted_wrong += verdict is False and expected

    def __str__(self) -> str:
        right = self.pairs - self.wrong_counted_right - self.right_counted_wrong - self.undecided
        return (
            f"{right / max(1, self.pairs):7.2%} as labelled; wrong counted right {self.wrong_counted_right}, "
            f"right counted wrong {self.right_counted_wrong}, undecided {self.undecided}"
        )


def show(name: str, ours: Errors, beside: Errors | None = None) -> None:
    print(f"{name}, {ours.pairs:,} pairs\n  this grader  {ours}" + (f"\n  Math-Verify  {beside}" if beside else ""))


def show_cases(grader: Grader, path: Path) -> None:
    """Labelled pairs, graded by both; those that this grader grades otherwise than labelled."""
    ours, beside, differ = Errors(), Errors(), []
    for row in read(path):
        if row.get("contested"):
            continue
        response, expected = row.get("kind") == "response", bool(row["expected"])
        verdict = grader.grade(gold_of(row["gold"]), answer_of(row["pred"], response=response)).correct
        ours.add(verdict, expected)
        beside.add(alone(row["gold"], row["pred"] if response else in_math(row["pred"])), expected)
        if verdict is not expected:
            differ.append((row["gold"][-60:], row["pred"][-60:], f"expected {expected}, is {verdict}"))
    show(path.name, ours, beside)
    for case in differ:
        print("  differs:", *map(ascii, case))


def golds(path: Path) -> list[str]:
    return [str(row["reference_solution"]).rpartition("#### ")[2].strip() for row in read(path)]


def golds_of(table: Path) -> list[str]:
    return list(dict.fromkeys(str(row["gold"]) for row in read(table)))


def wrong_answers(answers: list[str], draws: random.Random) -> Iterator[tuple[str, str, str]]:
    """(what was done, gold, wrong answer): each gold perturbed, and the answers of other problems."""
    for gold in answers:
        for name, wrong in perturbed(gold, draws):
            yield name, gold, wrong
        for other in (answers[draws.randrange(len(answers))] for _ in range(8)):
            if not equal_anyway(gold, other):
                yield "another's", gold, other


def show_benchmarks(grader: Grader, folder: Path, beside: int) -> None:
    """Golds against themselves, other spellings of them, and wrong answers; Math-Verify on some `beside`."""
    for path in sorted(folder.glob("*.jsonl")):
        answers = golds(path)
        unequal = [gold for gold in answers if grader.grade(gold, gold).correct is not True]
        print(f"{path.name}: {len(answers) - len(unequal):,} of {len(answers):,} golds equal themselves", *unequal)
        spelled = [(name, gold, text, True) for gold in dict.fromkeys(answers) for name, text in respelled(gold)]
        wrong = [(name, gold, text, False) for name, gold, text in wrong_answers(answers, random.Random(0))]
        for what, pairs in (("other spellings", spelled), ("wrong answers", wrong)):
            show_pairs(grader, f"  {what}", pairs, beside)


def show_pairs(grader: Grader, what: str, pairs: list[tuple[str, str, str, bool]], beside: int) -> None:
    ours, theirs = Errors(), Errors()
    counts = Counter(name for name, *_ in pairs)
    for _, gold, text, expected in pairs:
        ours.add(grader.grade(gold, text).correct, expected)
    for _, gold, text, expected in random.Random(1).sample(pairs, min(beside, len(pairs))):
        theirs.add(alone(gold, in_math(text)), expected)
    show(what, ours, theirs)
    print(f"  Math-Verify on {theirs.pairs:,} of them; kinds: " + ", ".join(f"{n} {c:,}" for n, c in counts.items()))
    for name, gold, text, expected in pairs:
        if grader.grade(gold, text).correct is not expected:
            print("  differs:", name, ascii(gold), ascii(text))


def show_relation(grader: Grader, texts: list[str]) -> None:
    """All pairs of answers: `same` must be symmetric, and right exactly where each is right beside the other."""
    broken, undecided = [], 0
    for one, other in combinations(texts, 2):
        there, back = grader.grade(one, other).correct, grader.grade(other, one).correct
        here, again = grader.same(one, other).correct, grader.same(other, one).correct
        undecided += None in (there, back, here)
        if here is not again or (None not in (there, back, here) and here is not (there and back)):
            broken.append((one, other, there, back, here, again))
    pairs = len(texts) * (len(texts) - 1) // 2
    print(f"relation: {len(broken)} violations in {pairs:,} pairs of {len(texts):,} answers, {undecided} undecided")
    for case in broken[:20]:
        print("  broken:", *map(ascii, case))


def show_neighbours(grader: Grader) -> None:
    false = [pair for pair in exact_neighbours() if grader.grade(*pair).correct is not False]
    print(
        f"large numbers beside their neighbours: {len(false)} of {len(list(exact_neighbours()))} counted right", *false
    )


def show_hostile(limit: float, count: int) -> None:
    """So many hostile answers, as answers and as golds, within the limit; the workers live and still grade."""
    slowest, methods = 0.0, Counter[str]()
    with Grader(workers=1, limit=limit) as grader:
        grader.grade(r"\sin(x+1)", r"\sin(1+x)")  # starts the worker
        for name, text in islice(HOSTILE.items(), count):
            for gold, answer in (("42", text), (text, "x+1")):
                started = time.perf_counter()
                grade = grader.grade(gold, answer)
                took = time.perf_counter() - started
                methods[grade.method] += 1
                if grade.method in ("timeout", "crash"):
                    print(f"  {grade.method}: {name}, {took:.1f} s")
                    grader.grade(r"\sin(x+2)", rf"\sin(2+x+0^{sum(methods.values())})")  # the next worker is ready then
                slowest = max(slowest, took)
        alive = grader.grade(r"\sin^2 x", r"1-\cos^2 x")
    print(f"hostile: {sum(methods.values())} pairs, slowest {slowest:.2f} s (limit {limit} s), {dict(methods)}")
    print(f"  afterwards sin² x against 1 - cos² x: {alive}")


THOUGHT = "We try $k = {0}$ and get $\\frac{{{0}}}{{2}} + {0}^2$, which is too large, so we go back to the sum. "


def traces(folder: Path | None, count: int) -> list[tuple[str, str]]:
    """(gold, text after the thought) of traces as models write them; three in ten answer another problem."""
    draws = random.Random(1)
    pool = [gold for path in sorted(folder.glob("*.jsonl")) for gold in golds(path)] if folder else []
    pool = pool or [str(number) for number in range(900)] + [f"\\frac{{{n}}}{{7}}" for n in range(1, 100)]
    found = []
    for _ in range(count):
        gold, other = (pool[draws.randrange(len(pool))] for _ in range(2))
        steps = "".join(THOUGHT.format(draws.randrange(100)) for _ in range(8))
        answer = other if draws.randrange(10) < 3 else gold
        found.append((gold, f"{steps}\n\n**Final Answer**\n\\boxed{{{answer}}}"))
    return found


def per_second(grade: Callable[[str, str], object], pairs: list[tuple[str, str]]) -> float:
    started = time.perf_counter()
    for gold, text in pairs:
        grade(gold, text)
    return len(pairs) / (time.perf_counter() - started)


def show_speed(name: str, pairs: list[tuple[str, str]]) -> float:
    """How many times as quick as Math-Verify one worker is that has seen none of the pairs."""
    with Grader(workers=1) as grader:
        grader.grade(r"\sin(x+1)", r"\sin(1+x)")  # starts the worker
        ours = per_second(lambda gold, text: grader.grade(gold, answer_of(text, response=False)), pairs)
    theirs = per_second(lambda gold, text: alone(gold, in_math(text)), pairs)
    integers = sum(gold.lstrip("-").isdigit() for gold, _ in pairs) / len(pairs)
    print(f"speed on {name}, {len(pairs):,} pairs, {integers:.0%} with integer golds: {ours:,.0f} pairs/s, "
          f"Math-Verify {theirs:,.0f} pairs/s, {ours / theirs:.1f} times")  # fmt: skip
    return ours / theirs


def mixed_pairs(answers: list[str], count: int) -> list[tuple[str, str]]:
    """So many golds in other words, so many near misses, and so many answers of other problems."""
    draws = random.Random(2)
    found = []
    for _ in range(count):
        gold = draws.choice(answers)
        found.append((gold, draws.choice(list(respelled(gold)))[1]))
        near = list(perturbed(gold, draws))
        found.append((gold, draws.choice(near)[1] if near else gold + "+1"))
        found.append((gold, draws.choice(answers)))
    return found


def main() -> int:
    options = Options(__doc__, limit=0.5, hostile=1, traces=20, pairs=10, beside=5, relation=12, at_once=40, families=8)
    options.add_argument("--cases", type=Path, action="append", help="labelled pairs, JSON lines; repeatable")
    options.add_argument("--benchmarks", type=Path, help="folder of benchmark files in the public format")
    options.add_argument("--limit", type=float, default=2.0, help="seconds a hostile pair may take")
    options.add_argument("--hostile", type=int, default=len(HOSTILE), help="how many of the hostile answers")
    options.add_argument("--traces", type=int, default=2000, help="how many traces the speed is measured on")
    options.add_argument("--pairs", type=int, default=500, help="so many of each kind for the speed on bare answers")
    options.add_argument("--beside", type=int, default=300, help="pairs of each kind that Math-Verify grades too")
    options.add_argument("--relation", type=int, default=700, help="answers of the tables to compare, all pairs")
    options.add_argument("--at-once", type=int, default=1500, help="as --relation, for what takes no algebra")
    options.add_argument("--families", type=int, default=None, help="golds of the tables whose answers are sorted")
    options.add_argument("--only-relation", action="store_true", help="leave out all but the relation of labels")
    chosen = options.parse_args()
    logging.disable(logging.ERROR)
    if chosen.only_relation:
        with Grader(workers=2) as grader:
            show_relations(grader, tables_of(chosen), chosen)
        return 0
    fast = show_speeds(chosen)  # first, when no cache is warm
    show_tables(chosen)
    show_hostile(chosen.limit, chosen.hostile)
    return outcome(chosen, fast)


def show_speeds(chosen: argparse.Namespace) -> bool:
    """Both speeds beside Math-Verify; whether they reach the targets."""
    answers = golds(chosen.benchmarks / "math500.jsonl") if chosen.benchmarks else golds_of(tables_of(chosen)[0])
    bare = show_speed("bare answers", mixed_pairs(answers, chosen.pairs))
    return show_speed("traces", traces(chosen.benchmarks, chosen.traces)) >= TARGET_TRACES and bare >= TARGET_BARE


def show_tables(chosen: argparse.Namespace) -> None:
    """What is right and wrong: the tables, the golds of benchmarks, and the relation of labels."""
    tables = tables_of(chosen)
    with Grader(workers=2) as grader:
        for table in tables:
            show_cases(grader, table)
        if chosen.benchmarks:
            show_benchmarks(grader, chosen.benchmarks, chosen.beside)
        show_neighbours(grader)
        show_relations(grader, tables, chosen)


def show_relations(grader: Grader, tables: list[Path], chosen: argparse.Namespace) -> None:
    """The relation of labels on answers of the tables, drawn at random where they are not all taken."""
    families: dict[str, dict[str, None]] = {}
    for row in (row for table in tables for row in read(table)):
        families.setdefault(row["gold"], {row["gold"]: None})[row["pred"]] = None
    texts = list(dict.fromkeys(text for family in families.values() for text in family))
    random.Random(3).shuffle(texts)
    show_at_once(texts[: chosen.at_once])
    show_relation(grader, texts[: chosen.relation])
    show_classes(grader, [list(family) for family in families.values()][: chosen.families])


def tables_of(chosen: argparse.Namespace) -> list[Path]:
    tables: list[Path] = chosen.cases or sorted(TABLES.glob("*.jsonl"))
    return tables[:1] if chosen.smallest else tables


if __name__ == "__main__":
    sys.exit(main())
