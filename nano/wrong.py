"""Wrong designs, as a generator might make them: an idea that cannot be, a wrong sum and all that follows from it.

Each function draws the numbers of a step like `Family.draw`, so that the problem and the later steps agree with the
mistake. None means that the family has no such mistake, or that the numbers do not allow it.
"""

from __future__ import annotations

import re
from random import Random

from nano.designing import Drawn, derived
from nano.families import Family
from nano.problems import Draw
from nano.spoiling import another_number

_REMAINDER = re.compile(r" r \d+$")


def wrong_idea(family: Family, rng: Random, reference: int) -> Drawn | None:
    """An idea that breaks what the family asks of its numbers; its sums are right as far as they can be.

    Where any idea is a good one, a sum is wrong instead, so that no number exists.
    """
    drawn = family.draw(rng, reference)
    if drawn is None:
        return None
    numbers = _broken(family.key, dict(drawn.numbers), drawn, rng)
    made = _written(derived(family.key, numbers, drawn.linked)) if numbers else wrong_sum(family, rng, reference)
    return None if made is None or family.exists(made.operands) else made


def _broken(key: str, n: dict[str, int], drawn: Drawn, rng: Random) -> dict[str, int] | None:
    linked = drawn.linked
    if key == "larger_root":
        return {**n, "r": (n["s"] + 1) // 2} if linked else {"r": n["v"], "v": n["v"]}
    if key in ("hypotenuse", "other_leg"):
        slot = rng.choice("xy" if key == "hypotenuse" else "xh")
        return {**n, slot: max(1, n[slot] + rng.choice((-2, -1, 1, 2)))}
    if key == "common_difference":
        return {**n, "k": rng.randint(2, 3)}
    if key == "rectangle_side":
        return {**n, "u": n["u"] + rng.choice((-1, 1))} if linked else {"u": n["u"], "v": n["u"]}
    if key == "gcd_lcm":
        shared = rng.choice((2, 3))
        return {**n, "i": shared * rng.randint(1, 3), "j": shared * rng.randint(1, 3)}
    if key == "bag_size":
        if linked and rng.random() < 0.5:
            return {**n, "p": n["p"] + 1, "q": max(n["q"], n["p"] + 2)}
        return {**n, "p": n["q"], "q": n["p"]}
    if key == "consecutive" and linked:
        return {**n, "k": rng.randint(2, 9)}
    return None


def wrong_sum(family: Family, rng: Random, reference: int) -> Drawn | None:
    """A wrong result, from which everything else follows."""
    drawn = family.draw(rng, reference)
    if drawn is None:
        return None
    place = rng.randrange(len(drawn.sums))
    results = [int(text.split("=")[1]) for text in drawn.sums[: place + 1]]
    results[place] = another_number(results[place], rng)
    made = derived(family.key, drawn.numbers, drawn.linked, results)
    sums = list(made.sums)
    sums[place] = f"{sums[place].split('=')[0]}={results[place]}"
    return _written(made._replace(sums=sums))


def _written(drawn: Drawn) -> Drawn | None:
    """The design as a generator would write it: quotients without remainder. None where it cannot be written."""
    sums = [_REMAINDER.sub("", text) for text in drawn.sums]
    if min(*drawn.operands.values(), drawn.value) < 1 or any("=-" in text or "=" not in text for text in sums):
        return None
    return drawn._replace(sums=sums)


def no_number(family: Family, rng: Random, reference: int) -> Drawn | None:
    """Operands near by for which there is no such number, under an idea that says otherwise."""
    drawn = family.draw(rng, reference)
    operands = family.spoil(drawn.operands, rng) if drawn else None
    return drawn._replace(operands=operands) if drawn and operands else None


def at_one_place(wrong: Draw, steps: int, rng: Random, first: int = 0) -> Draw:
    """Draws one step of a chain, from `first` on, by `wrong`, and all others as they should be."""
    chosen = rng.randrange(min(first, steps - 1), steps)
    place = 0

    def draw(family: Family, rng: Random, reference: int) -> Drawn | None:
        nonlocal place
        place = place + 1 if reference else 0
        return wrong(family, rng, reference) if place == chosen else family.draw(rng, reference)

    return draw
