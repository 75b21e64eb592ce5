"""How well and how quickly answers are graded, with Math-Verify alone beside it.

    python benchmarks/answers.py [--cases CASES.jsonl] [--benchmarks FOLDER] [--smallest]

`--cases`: labelled pairs (`gold`, `pred`, `expected`, `kind` answer or response, `contested`). `--benchmarks`: files in
the public format, whose `reference_solution` ends in "#### answer"; their golds are graded against themselves and
against perturbations of them. Hostile answers and the speed need no files, but the speed is more real with benchmarks.
"""

from __future__ import annotations

import json
import logging
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

from _options import Options
from math_verify import parse, verify

from promptcot.core.answers.extraction import extract
from promptcot.grading import Grader

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
    """What Math-Verify says, called as its manual shows."""
    try:
        return bool(verify(parse(in_math(gold)), parse(text)))
    except Exception:
        return False


def show_cases(grader: Grader, path: Path) -> None:
    rows = [row for row in read(path) if not row.get("contested")]
    ours, beside, wrong = 0, 0, []
    for row in rows:
        response = row.get("kind") == "response"
        grade = grader.grade(gold_of(row["gold"]), answer_of(row["pred"], response=response))
        ours += grade.correct is row["expected"]
        beside += alone(row["gold"], row["pred"] if response else in_math(row["pred"])) is row["expected"]
        if grade.correct is not row["expected"]:
            wrong.append((row["gold"][-60:], row["pred"][-60:], row["expected"], grade))
    print(f"labelled cases: {ours}/{len(rows)} = {ours / len(rows):.2%}; Math-Verify alone {beside / len(rows):.2%}")
    for case in wrong:
        print("  differs:", *map(ascii, case))


def golds(path: Path) -> list[str]:
    return [str(row["reference_solution"]).rpartition("#### ")[2].strip() for row in read(path)]


def rational(text: str) -> Fraction | None:
    """An independent and narrow reading, for telling which pairs are equal anyway."""
    text = re.sub(r"\\[!,]|[,$\\]|\^?\\?\{?\\?circ\}?|\s", "", text.replace("\\circ", "").replace("^", ""))
    found = re.fullmatch(r"(-?)[dt]?frac\{?(-?\d+?)\}?\{?(\d+)\}?", text)
    try:
        return Fraction(f"{found[1]}{found[2]}/{found[3]}") if found else Fraction(text)
    except (ValueError, ZeroDivisionError):
        return None


def equal_anyway(one: str, other: str) -> bool:
    one, other = (re.sub(r"^[a-z]\s*=", "", text) for text in (one, other))
    plain = [re.sub(r"\\left|\\right|\\!|\s|[{}$]", "", text).replace("dfrac", "frac") for text in (one, other)]
    values = rational(one), rational(other)
    sets = [sorted(text.split(",")) if re.fullmatch(r"[-\d,]+", text) else None for text in plain]
    return plain[0] == plain[1] or (values[0] is not None and values[0] == values[1]) or (sets[0] or 0) == sets[1]


def perturbed(answers: list[str], draws: random.Random) -> Iterator[tuple[str, str, str]]:
    """(what was done, gold, wrong answer)"""
    for gold in answers:
        value = rational(gold)
        if value is not None:
            for name, wrong in (("×100", value * 100), ("÷100", value / 100), ("+1", value + 1)):
                if wrong != value:
                    yield name, gold, str(wrong)
                    if 10**9 % wrong.denominator == 0:
                        yield name, gold, f"{float(wrong):.9f}".rstrip("0").rstrip(".")
        elif re.search(r"\d", gold) and not re.search(r"[,=_]|text|mbox|matrix|circ|\\in\b|pm|cup|[\[{(]\s*$", gold):
            for name, wrong_text in (
                ("×100", f"100({gold})"),
                ("÷100", f"\\frac{{{gold}}}{{100}}"),
                ("+1", f"{gold}+1"),
            ):
                yield name, gold, wrong_text
        for other in (answers[draws.randrange(len(answers))] for _ in range(8)):
            if not equal_anyway(gold, other):
                yield "another's", gold, other


def show_benchmarks(grader: Grader, folder: Path) -> None:
    for path in sorted(folder.glob("*.jsonl")):
        answers = golds(path)
        equal = sum(grader.grade(gold, gold).correct is True for gold in answers)
        counts: Counter[str] = Counter()
        false = []
        for name, gold, wrong in perturbed(answers, random.Random(0)):
            counts[name] += 1
            if grader.grade(gold, wrong).correct is not False:
                false.append((name, gold, wrong))
        pairs = ", ".join(f"{name} {count:,}" for name, count in counts.items())
        print(f"{path.name}: gold against gold {equal}/{len(answers)}; {len(false)} false positives ({pairs})", *false)


def show_hostile(limit: float, count: int) -> None:
    """So many hostile answers, as answers and as golds, within the limit; the workers live and still grade."""
    slowest, methods = 0.0, Counter[str]()
    with Grader(workers=1, limit=limit) as grader:
        grader.grade("x+1", "1+x")
        for name, text in islice(HOSTILE.items(), count):
            for gold, answer in (("42", text), (text, "x+1")):
                started = time.perf_counter()
                grade = grader.grade(gold, answer)
                took = time.perf_counter() - started
                methods[grade.method] += 1
                if grade.method in ("timeout", "crash"):
                    print(f"  {grade.method}: {name}, {took:.1f} s")
                    grader.grade("x+2", f"2+x+0^{sum(methods.values())}")  # the next worker is ready after this
                slowest = max(slowest, took)
        alive = grader.grade("(x+1)^2", "x^2+2x+1")
    print(f"hostile: {sum(methods.values())} pairs, slowest {slowest:.2f} s (limit {limit} s), {dict(methods)}")
    print(f"  afterwards (x+1)^2 against x^2+2x+1: {alive}")


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


def show_speed(grader: Grader, folder: Path | None, count: int) -> None:
    pairs = traces(folder, count)
    grader.grade("x+1", "1+x")
    ours = per_second(lambda gold, text: grader.grade(gold, extract(text).answer), pairs)
    theirs = per_second(alone, pairs)
    integers = sum(gold.lstrip("-").isdigit() for gold, _ in pairs) / count
    print(f"speed on {count:,} traces, {integers:.0%} with integer golds: {ours:,.0f} pairs/s, "
          f"Math-Verify {theirs:,.0f} pairs/s, {ours / theirs:.1f} times")  # fmt: skip


def main() -> None:
    options = Options(__doc__, limit=0.5, hostile=1, traces=20)
    options.add_argument("--cases", type=Path, help="labelled pairs, JSON lines")
    options.add_argument("--benchmarks", type=Path, help="folder of benchmark files in the public format")
    options.add_argument("--limit", type=float, default=2.0, help="seconds a hostile pair may take")
    options.add_argument("--hostile", type=int, default=len(HOSTILE), help="how many of the hostile answers")
    options.add_argument("--traces", type=int, default=2000, help="how many traces the speed is measured on")
    chosen = options.parse_args()
    logging.disable(logging.ERROR)
    with Grader(workers=2) as grader:
        if chosen.cases:
            show_cases(grader, chosen.cases)
        if chosen.benchmarks:
            show_benchmarks(grader, chosen.benchmarks)
        show_speed(grader, chosen.benchmarks, chosen.traces)
    show_hostile(chosen.limit, chosen.hostile)


if __name__ == "__main__":
    main()
