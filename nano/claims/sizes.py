"""How large the claims are measured: at full size, meant for an hour and a half on two cores, or to see them run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """Tokens, problems and samples of all claims.

    Attributes:
        generators: tokens of the generators of `rationale`, by name.
        combinations: held-out combinations for which such a generator writes.
        early, main: combinations for which the generator of a pool writes.
        problems: at most so many for a student of `filtered`, `verify` and `hard`; `tokens` are those of its training.
        growing: numbers of problems of `more`, the largest also of `distilled`; `long_tokens` are those of a training.
        benchmark, samples: held-out problems on which a student is tested, and answers to each.
    """

    generators: tuple[float, float] = (0.9e6, 2e6)
    combinations: int = 1000
    early: int = 2000
    main: int = 6000
    problems: int = 600
    tokens: float = 0.5e6
    growing: tuple[int, int, int] = (250, 1000, 4000)
    long_tokens: float = 0.8e6
    benchmark: int = 200
    samples: int = 4


FULL = Sizes()
SMALLEST = Sizes((4e3, 8e3), 8, 24, 24, 8, 4e3, (4, 8, 16), 4e3, 8, 1)
