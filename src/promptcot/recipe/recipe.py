"""A complete recipe: all its sections, and the checks between them."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from promptcot import domains
from promptcot.core.sections import FolderName, Section
from promptcot.recipe.plan_rates import PlanRates
from promptcot.recipe.schema import (
    Concepts,
    Encode,
    Filter,
    Generator,
    Judges,
    Limits,
    Model,
    OwnStep,
    Sample,
    Served,
)
from promptcot.recipe.set_sections import Decontaminate, Dedup, Label, Select, Solve, Verify

SET_STEPS = ("verify", "dedup", "decontaminate", "solve", "label", "select")
"""The sections after `filter`, in the order of their steps."""
_NEEDS = {
    "solve": ("label", "a label is made from the answers of its traces"),
    "label": ("solve", "a label is the answer on which its traces agree"),
    "select": ("label", "it selects by the pass rates of labelled problems"),
}


def step_of(stage: str) -> str | None:
    """The step after `filter` that a stage belongs to, by its name; None for a stage before `filter`."""
    verb = stage.removeprefix("embed-").removeprefix("confirm-").partition("-")[0]
    return verb if verb in SET_STEPS else None


_may_be_off = BeforeValidator(lambda given: None if given is False else given)
"""`--set SECTION=false` removes a section of a shipped recipe."""


class Recipe(Section):
    """A complete recipe. The rates in `plan` do not change the run, and are not saved with it."""

    name: FolderName = "unnamed"
    seed: Annotated[int, Field(ge=0)] = 8000
    prompts: str = domains.DEFAULT
    server: Served | None = None
    run: Limits = Limits()
    concepts: Concepts = Concepts()
    encode: Encode = Encode()
    sample: Sample = Sample()
    generate: Generator = Generator()
    judge: Judges
    filter: Filter = Filter()
    verify: Annotated[Verify | None, _may_be_off] = None
    dedup: Annotated[Dedup | None, _may_be_off] = None
    decontaminate: Annotated[Decontaminate | None, _may_be_off] = None
    solve: Annotated[Solve | None, _may_be_off] = None
    label: Annotated[Label | None, _may_be_off] = None
    select: Annotated[Select | None, _may_be_off] = None
    step: list[OwnStep] = []
    plan: Annotated[PlanRates, Field(exclude=True)] = PlanRates()

    @property
    def voters(self) -> dict[str, Model]:
        """The models that vote in `verify`, by the name of their stage."""
        if self.verify is None:
            return {}
        return {f"verify-{one.name}": one for one in self.verify.voter} or {"verify": self.verify}

    @property
    def comparing(self) -> dict[str, Model]:
        """The embedding models and the model that confirms matches, by the name of their stage."""
        sections = {"dedup": self.dedup, "decontaminate": self.decontaminate}
        models = {f"embed-{name}": one.semantic for name, one in sections.items() if one and one.semantic}
        confirm = self.decontaminate and self.decontaminate.confirm
        return {**models, **({"confirm-decontaminate": confirm} if confirm else {})}

    @property
    def models(self) -> dict[str, Model]:
        """The model of each stage, by the stage's name, in the order of the steps."""
        judges = {f"judge-{judge.name}": judge for judge in self.judge}
        own = {own.name: own.model for own in self.step if own.model}
        solver = {"solve": self.solve} if self.solve else {}
        return {"generate": self.generate, **judges, **self.voters, **self.comparing, **solver, **own}

    @property
    def calls(self) -> dict[str, int]:
        """The number of calls of a stage for each row, by the stage's name, if it is not one."""
        voters = [*self.voters]
        votes = (
            {name: len(range(place, self.verify.votes, len(voters))) for place, name in enumerate(voters)}
            if self.verify
            else {}
        )
        return {**votes, **({"solve": self.solve.n} if self.solve else {})}

    @property
    def set_steps(self) -> list[str]:
        """The sections after `filter` that the recipe has, in the order of their steps."""
        return [name for name in SET_STEPS if getattr(self, name) is not None]

    @model_validator(mode="after")
    def _plan_has_these_judges(self) -> Self:
        names = [judge.name for judge in self.judge]
        others = {f"plan.rates.{name}": rates for name, rates in self.plan.rates.items()}
        for where, rates in {"plan": self.plan, **others}.items():
            if unknown := [name for name in rates.judge if name not in names]:
                raise ValueError(
                    f"{where}.judge.{unknown[0]}: there is no such judge; the judges are {', '.join(names)}"
                )
        return self

    @model_validator(mode="after")
    def _sections_go_together(self) -> Self:
        lacking = [
            f"[{name}] needs [{needed}]: {why} (--set {name}=false leaves [{name}] out too)"
            for name, (needed, why) in _NEEDS.items()
            if getattr(self, name) is not None and getattr(self, needed) is None
        ]
        if lacking:
            raise ValueError("; ".join(lacking))
        return self

    def written_down(self) -> dict[str, Any]:
        """The recipe as JSON, without the keys that are not set."""
        table = self.model_dump(mode="json")
        absent = {name for name in (*SET_STEPS, "step") if not table[name]}
        return {key: value for key, value in table.items() if key not in absent}

    @model_validator(mode="after")
    def _cap_needs_prices(self) -> Self:
        judges = {f"judge-{judge.name}": f"judge {judge.name}" for judge in self.judge}
        asked = {judges.get(name, name): model for name, model in self.models.items()}
        free = [name for name, model in asked.items() if model.base_url and model.price is None]
        several = [name for name, model in asked.items() if {"n", "best_of"} & set(model.extra_body)]
        if self.run.max_cost is not None and several:
            raise ValueError(f"run.max_cost cannot be enforced where extra_body requests several replies: {several[0]}")
        if self.run.max_cost is not None and free:
            raise ValueError(
                f"run.max_cost needs the price of every hosted model; none is given for {', '.join(free)} "
                "(price.prompt and price.completion, per million tokens, such as --set server.price.prompt=0.5)"
            )
        return self
