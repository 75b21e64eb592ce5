"""How large the claims are measured: at full size, or as small as possible to see them run."""

from __future__ import annotations

from dataclasses import dataclass

Levels = tuple[int, int, int]
"""A number for each level, from the shortest problems to the longest."""


@dataclass(frozen=True)
class Sizes:
    """Tokens, problems and samples of all claims.

    Attributes:
        generators: tokens of a generator of `rationale`.
        combinations: held-out combinations for which such a generator writes, at each temperature.
        early, main: prompts of each level for the generator of a pool. Longer problems are more often ill-posed, or
            like the benchmark, so that more are asked for.
        problems: at most so many for a student of `filtered`, `verify` and `hard`, and at least `least`; `tokens` are
            those of its training.
        growing: numbers of problems of `more`, whose trainings have `growing_tokens`; the largest also of `distilled`,
            with `distilled_tokens`.
        rate: the learning rate of all students. At ten times this rate they forget more than they learn.
        benchmark, samples: held-out problems on which a student is tested, and answers to each.
    """

    generators: float = 3e6
    combinations: int = 400
    early: Levels = (350, 600, 1000)
    main: Levels = (1600, 2400, 4000)
    problems: int = 200
    least: int = 60
    tokens: float = 0.3e6
    growing: tuple[int, int, int] = (250, 750, 2200)
    growing_tokens: float = 0.6e6
    distilled_tokens: float = 1.2e6
    rate: float = 2e-4
    benchmark: int = 200
    samples: int = 2


FULL = Sizes()
SMALLEST = Sizes(4e3, 8, (12, 12, 12), (12, 12, 12), 9, 3, 4e3, (3, 6, 12), 4e3, 4e3, 2e-4, 8, 1)
