"""Designs problems: which operations, in which order, with which literals, in which words; rationale and solution.

Every draw takes an explicit generator. What must not be drawn is decided by the `Rule` that the caller passes.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import combinations, product

from nano.catalogue import operations_with, steps_of
from nano.holdout import allowed_chain, held_out_phrase
from nano.operands import CLAIMS, Operand, claim_holds
from nano.operations import BY_KEY, OPERATIONS, Operation
from nano.solutions import explain

NAMES = ("AMR", "BNS")
NAMING = ("Let {0} be {1}.", "Suppose that {0} is {1}.", "Denote by {0} {1}.", "Let {0} denote {1}.")
ASKING = ("Find {1}.", "Compute {1}.", "Determine {1}.", "What is {1}?", "Calculate {1}.")
GREATEST_VALUE = 999
LONGEST_WORK = 170


class DesignError(ValueError):
    """No problem could be drawn under the rule."""


@dataclass(frozen=True)
class Step:
    """One operation with its words; `name` is "" for the last step, `reference` the value of the step before."""

    operation: Operation
    wording: int
    operands: dict[str, Operand]
    framing: int
    name: str = ""
    reference: int = 0

    @cached_property
    def inputs(self) -> dict[str, int]:
        return {key: operand.value(self.reference) for key, operand in self.operands.items()}

    @cached_property
    def value(self) -> int:
        return self.operation.value(self.inputs)

    @property
    def template(self) -> str:
        return self.operation.wordings[self.wording]

    @property
    def setup(self) -> str:
        return self.operation.setup.format(**self.operands)

    @property
    def phrase(self) -> str:
        return self.template.format(**self.operands)

    @property
    def valued(self) -> str:
        """Setup and phrase with values in place of references, without claims."""
        plain = {key: Operand(value) for key, value in self.inputs.items()}
        return _joined(self.operation.setup.format(**plain), self.template.format(**plain))

    def sentence(self) -> str:
        """The sentence that names the step's value or asks for it, without its setup."""
        frame = NAMING[self.framing] if self.name else ASKING[self.framing]
        return frame.format(self.name, self.phrase)

    def planned(self) -> str:
        """Setup and phrase as the rationale shows them."""
        named = f"{self.name} = {self.phrase}." if self.name else f"{self.phrase}."
        return _joined(self.setup, named)

    def claimable(self) -> list[str]:
        """The operands in whose place this wording allows a claim."""
        return [
            key for key, operand in self.operands.items() if "{" + key + ":c}" in self.template and not operand.name
        ]


@dataclass(frozen=True)
class Design:
    """A whole problem: the sampled concepts, the level and the steps."""

    concepts: tuple[str, ...]
    level: str
    steps: tuple[Step, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(step.operation.key for step in self.steps)

    @property
    def problem(self) -> str:
        return " ".join(_joined(step.setup, step.sentence()) for step in self.steps)

    @property
    def rationale(self) -> str:
        return rationale(self.level, [(label(step.operation, self.concepts), step) for step in self.steps])

    @property
    def answer(self) -> int:
        return self.steps[-1].value

    @property
    def solution(self) -> str:
        lines = [_worked(number, step) for number, step in enumerate(self.steps, 1)]
        return "\n".join(["<think>", *lines, "</think>", f"The answer is \\boxed{{{self.answer}}}."])


@dataclass(frozen=True)
class Rule:
    """What may be drawn: which chains of operation keys, then which finished designs."""

    chain: Callable[[Sequence[str]], bool]
    design: Callable[[Design], bool]


def _no_phrase_held_out(design: Design) -> bool:
    return not any(held_out_phrase(step.valued) for step in design.steps)


TRAINING = Rule(allowed_chain, _no_phrase_held_out)


def design(concepts: Sequence[str], level: str, rng: random.Random, rule: Rule = TRAINING) -> Design:
    """A problem of the level's length that uses as many of `concepts` as it can.

    Raises DesignError where nothing suits the rule after many tries.
    """
    for _ in range(400):
        chain = _ordered(_chosen(concepts, steps_of(level), rng), rng)
        if not rule.chain([operation.key for operation in chain]):
            continue
        steps = _drawn(chain, rng)
        if steps is None:
            continue
        made = Design(tuple(concepts), level, _with_claim(steps, rng))
        if rule.design(made):
            return made
    raise DesignError(f"no problem for {', '.join(concepts)} at {level}")


def label(operation: Operation, concepts: Sequence[str]) -> str:
    """What the rationale says of a step: the sampled concepts it uses, or the one that it adds."""
    used = [concept for concept in concepts if concept in operation.concepts]
    return f"uses {' and '.join(used)}" if used else f"adds {operation.concepts[0]}"


def rationale(level: str, planned: Sequence[tuple[str, Step]]) -> str:
    """The designer's rationale, from the label of each step and the step."""
    count = "1 step" if len(planned) == 1 else f"{len(planned)} steps"
    lines = [f"Step {number} {words}: {step.planned()}" for number, (words, step) in enumerate(planned, 1)]
    return "\n".join([f"The level {level} asks for {count}.", *lines])


def completion(rationale_text: str, problem: str) -> str:
    """What the generator writes."""
    return (
        f"<!-- BEGIN RATIONALE -->\n{rationale_text}\n<!-- END RATIONALE -->\n"
        f"<!-- BEGIN PROBLEM -->\n{problem}\n<!-- END PROBLEM -->"
    )


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _worked(number: int, step: Step) -> str:
    sums = [
        f"{step.reference}+{o.literal}={o.value(step.reference)}."
        for o in step.operands.values()
        if o.name and o.literal
    ]
    result = f"So {step.name} = {step.value}." if step.name else f"So the answer is {step.value}."
    facts = explain(step.operation.key, step.inputs)
    return f"Step {number}: {_joined(*sums, step.valued + '.', *facts, result)}"


@lru_cache(maxsize=20_000)
def _covers(concepts: tuple[str, ...], size: int) -> tuple[tuple[str, ...], ...]:
    """The sets of at most `size` operations that use as many of the concepts as can be."""
    for wanted in range(len(concepts), 0, -1):
        found: dict[tuple[str, ...], None] = {}
        for subset in combinations(concepts, wanted):
            for choice in product(*(operations_with(concept) for concept in subset)):
                keys = tuple(sorted({operation.key for operation in choice}))
                if len(keys) <= size:
                    found[keys] = None
        if found:
            return tuple(found)
    return ((),)


def _chosen(concepts: Sequence[str], size: int, rng: random.Random) -> list[Operation]:
    keys = rng.choice(_covers(tuple(concepts), size))
    others = [operation for operation in OPERATIONS if operation.key not in keys]
    return [BY_KEY[key] for key in keys] + rng.sample(others, size - len(keys))


def _ordered(operations: list[Operation], rng: random.Random) -> list[Operation]:
    """Any order in which only the first may lack a slot for a reference."""
    mixed = rng.sample(operations, len(operations))
    return sorted(mixed, key=lambda operation: operation.slot != "")


def _drawn(chain: list[Operation], rng: random.Random) -> tuple[Step, ...] | None:
    """Literals and words for the whole chain, or None if some value would be too great."""
    steps: list[Step] = []
    for place, operation in enumerate(chain):
        last = place == len(chain) - 1
        for _ in range(12):
            step = _step(operation, steps[-1] if steps else None, "" if last else rng.choice(NAMES[place]), rng)
            if _learnable(step):
                break
        else:
            return None
        steps.append(step)
    return tuple(steps)


def _step(operation: Operation, before: Step | None, name: str, rng: random.Random) -> Step:
    operands = {key: Operand(rng.choice(values)) for key, values in operation.ranges.items()}
    if before is not None:
        least = operation.least({key: operand.literal for key, operand in operands.items()})
        bare = least == 0 and rng.random() < 0.5
        operands[operation.slot] = Operand(0 if bare else rng.randint(max(least, 1), 9), before.name)
    # "the {n}th triangular number" suits a literal only
    literal_only = "{n}th" in operation.wordings[1] and before is not None
    wording = 0 if literal_only else rng.randrange(2)
    framing = rng.randrange(len(NAMING) if name else len(ASKING))
    return Step(operation, wording, operands, framing, name, before.value if before else 0)


def _learnable(step: Step) -> bool:
    operation, inputs = step.operation, step.inputs
    referenced = operation.slot and step.operands[operation.slot].name
    if referenced and inputs[operation.slot] > operation.cap:
        return False
    if not operation.valid(inputs) or step.value > GREATEST_VALUE:
        return False
    return len(" ".join(explain(operation.key, inputs))) <= LONGEST_WORK


def _with_claim(steps: tuple[Step, ...], rng: random.Random) -> tuple[Step, ...]:
    """Now and then one true claim about one literal."""
    places = [(i, key) for i, step in enumerate(steps) for key in step.claimable()]
    if not places or rng.random() < 0.5:
        return steps
    i, key = rng.choice(places)
    operand = steps[i].operands[key]
    claim = rng.choice([claim for claim in CLAIMS if claim_holds(claim, operand.literal)])
    return (*steps[:i], with_operand(steps[i], key, operand.claiming(claim)), *steps[i + 1 :])


def with_operand(step: Step, key: str, operand: Operand) -> Step:
    """The step with one operand exchanged."""
    return replace(step, operands={**step.operands, key: operand})
