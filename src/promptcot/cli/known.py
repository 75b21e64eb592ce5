"""The names that ship with the package, for the completion of command lines. Imports are made when needed."""

from __future__ import annotations

from collections.abc import Callable, Collection

import click


def recipes() -> list[str]:
    """Recipes of `run`, `plan` and `doctor`."""
    from promptcot.recipe.loading import shipped

    return shipped()


def eval_recipes() -> list[str]:
    """Recipes of `eval`."""
    from promptcot.evaluation.recipe import SHIPPED_EVAL
    from promptcot.recipe.loading import shipped

    return shipped(SHIPPED_EVAL)


def train_recipes() -> list[str]:
    """Recipes of `train`."""
    from promptcot.recipe.loading import shipped
    from promptcot.training.recipe import SHIPPED_TRAIN

    return shipped(SHIPPED_TRAIN)


def benchmarks() -> list[str]:
    """Benchmarks that are known by name."""
    from promptcot.evaluation.registry import BENCHMARKS

    return list(BENCHMARKS)


def models() -> list[str]:
    """The embedded models."""
    from promptcot import nano

    return [nano.NAME, *(f"{nano.NAME}:{role}" for role in nano.ROLES)]


def judges() -> list[str]:
    """Names of judges that have an embedded model."""
    from promptcot import nano

    return [role.removeprefix("judge-") for role in nano.ROLES if role.startswith("judge-")]


def levels() -> list[str]:
    """The levels of the default domain."""
    from promptcot import domains

    return list(domains.settings(domains.DEFAULT).levels)


def layouts() -> list[str]:
    """Layouts of `export`."""
    from promptcot.exports.formats import FORMATS

    return sorted({layout for form in FORMATS.values() for layout in form.layouts})


def steps() -> list[str]:
    """Steps at which a run can stop."""
    from promptcot.recipe.recipe import SET_STEPS

    return ["sample", "generate", "judge", "filter", *SET_STEPS]


def styles() -> list[str]:
    """Formats of a raw prompt."""
    return ["deepseek-r1", "qwq", "row"]


def completing(names: Callable[[], Collection[str]]) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """A completion function for these names, which may be separated by commas."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        before, comma, begun = incomplete.rpartition(",")
        return [f"{before}{comma}{name}" for name in names() if name.startswith(begun)]

    return complete
