"""Makes a pool with the package's own steps: which problems are written, which are left out, and who answers them.

Generator, judges and verifier have the settings of the recipe `nano`. The solver answers every problem, rejected ones
too, since the claims compare what is kept with what is not; the base model answers those with a label. Problems that
training must not see (`nano.holdout`) are left out before anyone judges or answers them.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import promptcot
from nano.asking import CONCURRENCY, SAMPLING, graded, replies
from nano.catalogue import LEVELS
from nano.claims.pools import Answers, Pool, Row, pool_hash, pool_path, write
from nano.claims.sizes import Levels, Sizes
from nano.holdout import allowed_chain, held_out_phrase
from nano.sentences import Sentence, read_problem
from nano.texts import request
from promptcot.storage.atomic import locked

SEED = 8000
"""Of everything that is written, judged and answered."""

Problems = Sequence[Mapping[str, Any]]


class Rated(NamedTuple):
    """Problems with their judgements, and the ids of those that the judges and the verifier accept."""

    problems: list[promptcot.Row]
    accepted: set[str]
    verified: set[str]


def ensure(out: Path, pool: Pool, sizes: Sizes) -> None:
    """Make a pool, once; after a stop it goes on where it was."""
    path = pool_path(out, pool, sizes)
    with locked(out / "claims" / f".{pool.name}.lock"):
        if path.exists():
            return
        journals = out / "claims" / f"calls-{pool.name}-{pool_hash(out, pool, sizes)}"
        write(path, made(out, pool, requests(pool.prompts(sizes)), journals))


def requests(counts: Levels) -> list[promptcot.Row]:
    """Prompts for so many problems of each level, with held-out combinations of concepts.

    Concepts and level go together as in training. Judges and verifier have learnt from the generator's texts for other
    combinations.
    """
    rng = random.Random("nano claims requests")
    left = dict(zip(LEVELS, counts, strict=True))
    found: list[promptcot.Row] = []
    while any(left.values()):
        concepts, level, prompt = request(rng, held_out=True)
        if left[level]:
            left[level] -= 1
            name = f"{level}-{left[level]}"
            found.append({"id": name, "foundational_concepts": [*concepts], "level": level, "prompt": prompt})
    return found


def made(out: Path, pool: Pool, asked: Problems, journals: Path) -> list[Row]:
    """The rows of a pool from these prompts."""
    recipe = promptcot.load_recipe("nano", set=_models(out, pool))
    texts = promptcot.generate(asked, model=recipe.generate, prompts="nano", **_working(journals / "generate"))
    allowed = [row for row in _usable(texts) if not held_out(row["problem"])]
    rated = rate(allowed, recipe, journals) if pool.judged else Rated(allowed, set(), set())
    distinct = promptcot.dedup(promptcot.decontaminate(rated.problems, against="nano", mask_numbers=False))
    problems = [{"id": row["id"], "problem": row["problem"]} for row in distinct]
    teacher = answered(problems, out / "solver", pool.teacher, journals, pool.agreement)
    labels = {key: found.label for key, found in teacher.items() if found.label is not None}
    with_label = [row for row in problems if row["id"] in labels]
    base = answered(with_label, out / "base", pool.base, journals, labels=labels) if pool.base else {}
    return [
        Row(
            row["id"],
            row["problem"],
            level_of(row["problem"]),
            row["id"] in rated.accepted,
            row["id"] in rated.verified,
            teacher.get(row["id"], Answers()),
            base.get(row["id"], Answers()),
        )
        for row in problems
    ]


def _models(out: Path, pool: Pool) -> dict[str, str]:
    """The recipe's models are those of `out`."""
    return {
        "generate.model": str(out / pool.generator),
        "judge.a.model": str(out / "judge-a"),
        "judge.b.model": str(out / "judge-b"),
        "verify.model": str(out / "verifier"),
    }


def _working(journal: Path) -> dict[str, Any]:
    return {"seed": SEED, "journal": journal, "concurrency": CONCURRENCY}


def _usable(result: promptcot.StageResult) -> promptcot.StageResult:
    """Raises SystemExit where a step has no results, or few usable replies: a pool is made once and then kept."""
    if result.problem:
        raise SystemExit(result.problem)
    return result


def held_out(problem: str) -> bool:
    """Whether a problem has a chain of families that training must not see, or numbers of a step in whose phrase, in
    any wording, training must not see them. All problems of the benchmark have one of these.
    """
    sentences = [sentence for sentence in read_problem(problem) if sentence.family]
    if not allowed_chain(tuple(sentence.family.key for sentence in sentences if sentence.family)):
        return True
    values: dict[str, str] = {}
    return any(held_out_phrase(phrase) for sentence in sentences for phrase in _phrases(sentence, values))


def _phrases(sentence: Sentence, values: dict[str, str]) -> tuple[str, ...]:
    """The phrase in each wording, with values in place of names, so far as they exist; what the sentence names is added
    to `values`.
    """
    assert sentence.family is not None
    shown = {slot: values.get(text, text) for slot, text in sentence.shown.items()}
    if sentence.name and all(text.isdecimal() for text in shown.values()):
        value = sentence.family.value({slot: int(text) for slot, text in shown.items()})
        values[sentence.name] = sentence.name if value is None else str(value)
    return sentence.family.phrases(shown)


def level_of(problem: str) -> str:
    """The level by the number of sentences, whatever was asked for; more than three count as three."""
    return LEVELS[min(max(len(read_problem(problem)), 1), len(LEVELS)) - 1]


def rate(texts: Problems, recipe: promptcot.Recipe, journals: Path) -> Rated:
    """What both judges and the verifier make of problems.

    The judgements stay with the problems: of two copies, `dedup` keeps the better rated one, as in a run.
    """
    judged = [
        _usable(promptcot.judge(texts, model=one, name=one.name, prompts="nano", **_working(journals / one.name)))
        for one in recipe.judge
    ]
    passed = promptcot.filter(*judged, only_perfect=recipe.filter.only_perfect)
    if passed.problem or recipe.verify is None:
        raise SystemExit(passed.problem or "the recipe nano has no [verify]")
    valid = promptcot.verify(
        passed,
        model=recipe.verify,
        votes=recipe.verify.votes,
        min_share=recipe.verify.min_share,
        prompts="nano",
        **_working(journals / "verify"),
    )
    rated = {row["id"]: row for row in [*texts, *passed.dropped, *passed]}
    return Rated([*rated.values()], {row["id"] for row in passed}, {row["id"] for row in _usable(valid)})


def answered(
    problems: Problems,
    model: Path,
    n: int,
    journals: Path,
    agreement: float = 0.0,
    labels: Mapping[str, str] | None = None,
) -> dict[str, Answers]:
    """A model's answers to each problem, by id; a problem to which a call failed is left out.

    The package's `label` decides what they agree on. They have rates where there are `labels` of another model.
    """
    found = _usable(replies(model, problems, SAMPLING, n, SEED, journals / model.name))
    failed = {row["id"] for row in found.failed}
    traces = [row for row in found if row["id"] not in failed]
    kept = promptcot.label(traces, prompts="nano", min_pass_rate=agreement)
    own = {row["id"]: str(row["label"]) for row in kept}
    agreeing: dict[str, list[str]] = {}
    for row in kept.sft:
        agreeing.setdefault(row["id"], []).append(row["completion"])
    with_gold = [{**row, "answer": labels[row["id"]]} for row in traces if row["id"] in labels] if labels else []
    right = graded(with_gold) if with_gold else {}
    return {
        key: Answers(own.get(key), tuple(agreeing.get(key, ())), sum(right[key]) / n if key in right else None)
        for key in dict.fromkeys(row["id"] for row in traces)
    }
