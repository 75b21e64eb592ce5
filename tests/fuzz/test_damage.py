"""Damage to journals and state files loses only the damaged parts; a short form of `benchmarks/fuzz_damage.py`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from promptcot.grading import Graders
from tests.fuzz.damaged_files import Damage

TRIALS = 400


def test_damage_gives_no_traceback_no_other_text_and_no_other_grade(tmp_path: Path) -> None:
    with Graders(workers=1, limit=20) as graders:
        damage = Damage(tmp_path / "damage", graders)
        ended = [(seed, *damage.trial(seed)) for seed in range(TRIALS)]
    assert [find for find in ended if find[2]] == []
    assert Counter(name for _, name, _ in ended).keys() == damage.targets.keys()
