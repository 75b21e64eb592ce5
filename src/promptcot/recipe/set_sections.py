"""The sections of a recipe after `filter`, which turn accepted problems into a set.

A missing section leaves out its step. Defines the keys, their defaults and bounds; nothing is opened here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from promptcot.core.sections import NotEmpty, Positive, Section
from promptcot.core.selection.settings import Settings
from promptcot.errors import UsageError
from promptcot.recipe.schema import Model, names_differ

Share = Annotated[float, Field(ge=0, le=1)]


def _named(given: Any) -> Any:
    """A bare model name is short for a section with only that key."""
    return {"model": given} if isinstance(given, str) and given else given or None


Embedder = Annotated[Model | None, BeforeValidator(_named)]
"""The embedding model, by its name or as a section; without one, only texts are compared."""


class Voter(Model):
    """A model that gives some of the votes, with its own name."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")]


class Verify(Model):
    """A model that sees only the problem, and votes `votes` times on whether it is well-posed. Problems are kept if at
    least `min_share` of the votes are *valid*.

    `[[verify.voter]]` lists several models that share the votes. The keys of this section are the defaults of the
    voters.
    """

    votes: Positive = 5
    min_share: Share = 0.6
    voter: Annotated[list[Voter], AfterValidator(names_differ)] = []

    @model_validator(mode="before")
    @classmethod
    def _hand_on(cls, given: Any) -> Any:
        """Voters with the keys of this section as defaults."""
        voters = given.get("voter") if isinstance(given, dict) else None
        if not isinstance(voters, list):
            return given
        common = {key: value for key, value in given.items() if key in Model.model_fields}
        return {**given, "voter": [{**common, **one} if isinstance(one, dict) else one for one in voters]}

    @model_validator(mode="after")
    def _a_vote_for_each(self) -> Self:
        if self.voter and self.votes < len(self.voter):
            raise ValueError(f"votes = {self.votes} for {len(self.voter)} voters: each voter gives at least one")
        return self


class Dedup(Section):
    """When a problem is a copy of an earlier one: `near` is the least similarity of two texts. With `mask_numbers`,
    problems that differ only in numbers are copies. With a model for `semantic` its vectors are compared too.
    """

    near: Share = 0.85
    mask_numbers: bool = False
    semantic: Embedder = None
    semantic_near: Share = 0.95


class Decontaminate(Section):
    """Benchmarks, by name, and files of problems that the set must not contain; without `against`, all benchmarks that
    are available locally. With `mask_numbers`, a problem that differs from a benchmark's only in numbers is dropped
    too. With a model for `semantic` its vectors are compared as well. Near problems are then dropped, or with a model
    `confirm` only those that it calls the same problem.
    """

    against: list[NotEmpty] | None = None
    mask_numbers: bool = True
    semantic: Embedder = None
    semantic_near: Share = 0.9
    confirm: Annotated[Model | None, BeforeValidator(_named)] = None

    @model_validator(mode="after")
    def _something_to_confirm(self) -> Self:
        if self.confirm and not self.semantic:
            raise ValueError("confirm checks problems that are near by `semantic`, and semantic names no model")
        return self


class Solve(Model):
    """The teacher, which writes `n` traces of each problem; `style` is the form of a raw prompt, as in `solve`."""

    n: Positive = 4
    style: str | None = None
    max_tokens: Positive = 16384


class Label(Section):
    """Which problems are kept by the answers of their traces; the bounds are as in `promptcot label`.

    `verifier` decides which answers are the same; the default is the domain's. With `unboxed`, a final line without a
    box is an answer.
    """

    min_agreement: Share = 0.0
    min_pass_rate: Share = 0.0
    max_pass_rate: Share = 1.0
    verifier: str | None = None
    unboxed: bool = False

    @model_validator(mode="after")
    def _some_pass(self) -> Self:
        if self.min_pass_rate > self.max_pass_rate:
            raise ValueError("min_pass_rate is above max_pass_rate, so no problem could be kept")
        return self


class Select(Section):
    """The curriculum, selected after all problems are labelled: problems in a band of pass rates, at most `size` of
    them, with these shares of difficulties and levels, or balanced over levels or concepts, in an `order`. The keys are
    the options of `promptcot select`.
    """

    pass_rate: str = "0.2:0.8"
    model: str | None = None
    difficulty: str | dict[str, float] | None = None
    levels: str | dict[str, float] | None = None
    size: Positive | None = None
    balance: list[str] = []
    order: str = "as-is"
    min_agreement: Share | None = None
    min_n: Positive = 1

    def settings(self, seed: int) -> Settings:
        """The settings of the selection. Raises UsageError."""
        return Settings.of(**self.model_dump(), seed=seed)

    @model_validator(mode="after")
    def _can_be_asked(self) -> Self:
        if mistakes := dict.fromkeys(self._mistakes()):
            raise ValueError("; ".join(mistakes))
        return self

    def _mistakes(self) -> Iterator[str]:
        """The mistakes in single keys and, if there are none, in their combination."""
        for keys in ({"pass_rate"}, {"difficulty"}, {"levels"}, {"balance"}, {"order"}, {"levels", "balance"}):
            try:
                Settings.of(**self.model_dump(include=keys))
            except UsageError as error:
                yield str(error)
