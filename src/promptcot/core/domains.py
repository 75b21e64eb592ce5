"""The settings of a domain besides its prompts and criteria: the content of its `domain.toml`.

Decides the keys and their valid values. `promptcot.domains` finds the files and sets the defaults; `promptcot.grading`
has the verifiers.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field, ValidationError, ValidationInfo, field_validator

from promptcot.core.parsing.blocks import Blocks
from promptcot.core.refusing import Refusal
from promptcot.core.sections import NotEmpty, Positive, Section, explain
from promptcot.errors import RecipeError

TAKEN = frozenset(
    (
        *("id", "concepts", "foundational_concepts", "level", "source", "prompt", "annotator"),
        *("completion", "finish_reason", "prompt_tokens", "completion_tokens", "rationale_and_problem"),
        *("generator_finish_reason", "generator_prompt_tokens", "generator_completion_tokens"),
        *("judge", "ratings", "judgement", "judgements", "invalid_reason", "critique", "validity"),
        *("sample", "trace", "truncated", "malformed", "answer", "answers", "gold", "reference_solution", "messages"),
        *("label", "agreement", "margin", "n", "pass_rate", "correct", "extracted", "method", "reason"),
        *("no_answer", "timeouts", "reasoning_content", "raw", "cause", "error", "source_index"),
        *("answered", "mean_tokens", "findings", "chosen", "rejected", "sentence", "embedding"),
        *("model", "models", "refused", "refusals", "trace_count"),
    )
)
"""Fields of rows with another meaning, which cannot be names of blocks."""

_BLOCK = re.compile(r"[a-z]+(?:_[a-z]+)*")
_VERIFIER = re.compile(r"[a-z][a-z0-9_]*|[^\W\d]\w*(?:\.[^\W\d]\w*)*:[^\W\d]\w*(?:\.[^\W\d]\w*)*")
_LONGEST_BLOCK = 40


class Domain(Section):
    """How problems of a domain are requested, written and graded.

    `levels` are the difficulties to draw from, and `sizes` the numbers of concepts of a problem. A generator writes
    `blocks`, in this order; `problem` names the block that solvers see. `verifier` is the name of a verifier, or
    `module:name` for a custom one. `concepts` is a file of seed combinations beside `domain.toml`, for recipes
    that name none. `refusals` are the phrases by which solvers say that a problem is broken.
    """

    levels: tuple[NotEmpty, ...]
    sizes: tuple[Positive, ...]
    blocks: tuple[str, ...]
    problem: str = Field("problem", validate_default=True)
    verifier: str
    concepts: NotEmpty | None = None
    refusals: tuple[Refusal, ...] = ()

    @field_validator("levels", "sizes", "blocks")
    @classmethod
    def _are_there(cls, given: Sequence[Any]) -> Sequence[Any]:
        if not given:
            raise ValueError("give at least one")
        return given

    @field_validator("levels")
    @classmethod
    def _are_words(cls, given: Sequence[str]) -> Sequence[str]:
        if not all(level.strip() for level in given):
            raise ValueError("a level is text for prompts and must not be blank")
        return given

    @field_validator("levels", "sizes")
    @classmethod
    def _differ(cls, given: Sequence[Any]) -> Sequence[Any]:
        if repeated := [one for place, one in enumerate(given) if one in given[:place]]:
            raise ValueError(f"{repeated[0]!r} is given twice")
        return given

    @field_validator("blocks")
    @classmethod
    def _can_be_fields(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if mistakes := [why for place, name in enumerate(names) if (why := _unfit(name, names[:place]))]:
            raise ValueError("; ".join(mistakes))
        return names

    @field_validator("problem")
    @classmethod
    def _is_a_block(cls, name: str, info: ValidationInfo) -> str:
        blocks = info.data.get("blocks")
        if blocks is None:  # `blocks` is invalid, and its mistakes are reported there
            return name
        if name not in blocks:
            raise ValueError(f"it must name the block that solvers see, one of {', '.join(blocks)}")
        if name != "problem" and "problem" in blocks:
            raise ValueError("rows store the text that solvers see in `problem`, so no other block can have that name")
        return name

    @field_validator("verifier")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        if not _VERIFIER.fullmatch(name):
            raise ValueError('write the name of a verifier, such as "mathematics", or "package.module:name"')
        return name

    @property
    def written(self) -> Blocks:
        """The blocks that a generator writes."""
        return Blocks(self.blocks, self.problem)


def _unfit(name: str, before: Sequence[str]) -> str | None:
    """Why a block cannot have this name; None if it can."""
    if not _BLOCK.fullmatch(name) or len(name) > _LONGEST_BLOCK:
        return f"{name!r} is not a valid name of a block: use lower-case letters, with underscores between them"
    if name in TAKEN:
        return f"{name!r} is the name of a field of rows, which has another meaning"
    return f"{name!r} is given twice" if name in before else None


def read_table(text: str, where: str) -> dict[str, Any]:
    """The keys of a `domain.toml`, unchecked. Raises RecipeError if it is not TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(where, [f"not TOML: {error}"]) from error


def domain_of(table: Mapping[str, Any], where: str) -> Domain:
    """A checked domain from a complete table. Raises RecipeError with all mistakes."""
    try:
        return Domain.model_validate(table)
    except ValidationError as error:
        raise RecipeError(where, [explain(mistake, Domain) for mistake in error.errors()]) from error
