"""What training must never see, decided by stable hashes of names and phrases.

Concept combinations (about 1 in 5), ordered pairs and triples of families (about 1 in 8 each), and phrases with
their literals (about 1 in 16). Keeping to it is left to those who write texts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache


def _share(kind: str, text: str) -> float:
    """A number in [0, 1) that depends on nothing but the words."""
    digest = hashlib.sha256(f"nano {kind} {text}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def held_out_combination(concepts: Sequence[str]) -> bool:
    """Whether a concept combination, in whatever order, is kept from training."""
    return _share("combination", "|".join(sorted(concepts))) < 1 / 5


def held_out_chain(keys: Sequence[str]) -> bool:
    """Whether exactly this chain of two or three families is kept from training."""
    return len(keys) > 1 and _share("chain", ">".join(keys)) < 1 / 8


def held_out_phrase(phrase: str) -> bool:
    """Whether a phrase with its literals is kept from training."""
    return _share("phrase", phrase) < 1 / 16


@cache
def allowed_chain(keys: tuple[str, ...]) -> bool:
    """Whether training may see this chain: neither it nor a pair inside it is held out."""
    pairs = [keys[i : i + 2] for i in range(len(keys) - 1)]
    return not any(held_out_chain(part) for part in [keys, *pairs])
