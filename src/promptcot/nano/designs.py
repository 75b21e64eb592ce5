"""How a design-first rationale chooses the numbers of each family: the table of designs of `nano/LANGUAGE.md`.

The ideas and sums are templates whose letters stand for numbers; those that are slots of the family are its operands,
and `v` is the value of the step. `rationales` matches them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Design:
    """The idea and the sums of a family, on its own and with the value of the step before in its reference slot.

    `value` has the sums by which a named step ends where the others do not give `v`. `helper` is a letter and how its
    number follows from that of `k`.
    """

    idea: str
    sums: str
    referring: str = ""
    referring_sums: str = ""
    value: str = ""
    referring_value: str = ""
    helper: tuple[str, Callable[[int], int]] | None = None

    def variant(self, refers: bool) -> tuple[str, list[str], list[str]]:
        """The idea, the sums, and the sums of the value, with reference or without."""
        if not refers:
            return self.idea, _parts(self.sums), _parts(self.value)
        return self.referring, _parts(self.referring_sums or self.sums), _parts(self.referring_value or self.value)


def _parts(sums: str) -> list[str]:
    return sums.split("; ") if sums else []


DESIGNS: Mapping[str, Design] = MappingProxyType(
    {
        "larger_root": Design("roots {r} and {v}", "r+v=s; r*v=p", "root {r} of sum {s}", "s-r=v; r*v=p"),
        "quotient": Design("{v} rows of {d}", "v*d=n", "{v} rows of {d}"),
        "hypotenuse": Design(
            "hypotenuse of {z} times {x}, {y}, {h}",
            "z*x=a; z*y=b",
            "hypotenuse of {x}, {y}, {h} with leg {a}",
            "a/x=z; z*y=b",
            "z*h=v",
        ),
        "other_leg": Design(
            "leg of {z} times {x}, {y}, {h}",
            "z*x=a; z*h=c",
            "leg of {x}, {y}, {h} with leg {a}",
            "a/x=z; z*h=c",
            "z*y=v",
        ),
        "common_difference": Design(
            "{k} terms from {a} by {v}",
            "f*v=g; a+g=t",
            "{k} terms from {a} by {v}",
            helper=("f", lambda k: k - 1),
        ),
        "midpoint": Design("steps of {h} from {a}", "h+h=g; a+g=b", "steps of {h} from {a}", value="a+h=v"),
        "common_ratio": Design("ratio {v} from {a}", "v*v=w; w*a=c", "ratio {v} from {a}"),
        "square_side": Design(
            "{m} times the squares of {i} and {j}",
            "i*i=f; m*f=a; j*j=g; m*g=b",
            "{a} times the square of {j}",
            "j*j=g; a*g=b",
            "i*j=w; m*w=v",
            "a*j=v",
        ),
        "linear": Design("solution {v} of {a}x + {b}", "a*v=w; w+b=c", "solution {v} of {a}x + {b}"),
        "sum_difference": Design("{y} and {d} more", "y+d=v; y+v=s", "{y} and {d} more"),
        "rectangle_side": Design(
            "sides {u} and {v}", "u*v=q; u+v=h; h+h=p", "side {u} of area {q}", "q/u=v; u+v=h; h+h=p"
        ),
        "polygon_sides": Design("{v} sides", "v-3=e; v*e=f; f/2=d"),
        "triangular_index": Design("integers up to {v}", "v+1=e; v*e=f; f/2=t"),
        "missing_mean": Design(
            "mean {m} of {a}, {b} and another", "3*m=w; w-a=f; f-b=v", "mean {m} of {a}, {b} and another"
        ),
        "gcd_lcm": Design(
            "{g} times the coprime {i} and {j}",
            "g*i=a; a*j=l",
            "{g} times the coprime {i} and {j}",
            value="g*j=v",
        ),
        "bag_size": Design("{z} times {p} of {q}", "z*p=r", "{p} of {q} with {r} red", "r/p=z", "z*q=v"),
        "consecutive": Design(
            "{k} integers from {v}",
            "k*v=w; w+c=s",
            "{k} integers of sum {s}",
            "s-c=w; w/k=v",
            helper=("c", lambda k: k * (k - 1) // 2),
        ),
        "square_difference": Design(
            "squares of {y} and {d} more", "y+d=v; y+v=w; d*w=n", "squares of {y} and {d} more"
        ),
    }
)
"""The design of each family, by its name."""
