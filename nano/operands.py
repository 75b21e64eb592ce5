"""An operand as it stands in a text: a literal, a name, or a name plus a literal.

Decides how an operand looks in each kind of place; which places there are is left to the templates in `operations`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

CLAIMS = ("even", "odd", "two-digit", "three-digit")


@dataclass(frozen=True)
class Operand:
    """`literal` alone, or `name` plus `literal` (0 shows the bare name), with at most one claim about a literal.

    Format specs: `t` (tight: a sum stands in brackets), `c` (a claim may stand here), none (plain).
    """

    literal: int
    name: str = ""
    claim: str = ""

    def __format__(self, spec: str) -> str:
        text = self.plain()
        if spec == "t" and self.name and self.literal:
            return f"({text})"
        if spec == "c" and self.claim:
            return f"the {self.claim} number {text}"
        return text

    def plain(self) -> str:
        """The operand without claim and brackets."""
        if not self.name:
            return str(self.literal)
        return f"{self.name} + {self.literal}" if self.literal else self.name

    def value(self, reference: int) -> int:
        """The number it stands for when its name has the value `reference`."""
        return self.literal + (reference if self.name else 0)

    def claiming(self, claim: str) -> Operand:
        return replace(self, claim=claim)


def claim_holds(claim: str, number: int) -> bool:
    """Whether `claim`, one of `CLAIMS`, is true of `number`."""
    return {
        "even": number % 2 == 0,
        "odd": number % 2 == 1,
        "two-digit": 10 <= number <= 99,
        "three-digit": 100 <= number <= 999,
    }[claim]
