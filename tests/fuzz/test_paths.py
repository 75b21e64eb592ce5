"""Some trials of `paths`; `benchmarks/fuzz_paths.py` runs more."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.fuzz.paths import trial

TRIALS = 120


def test_no_input_is_lost_whichever_way_an_output_leads_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ends: Counter[int | None] = Counter()
    for seed in range(TRIALS):
        folder = tmp_path / str(seed)
        folder.mkdir()
        found = trial(seed, folder)
        assert found.finds == [], f"seed {seed}: {found.line}"
        ends[found.code] += 1
    assert min(ends[0], ends[2]) > TRIALS // 10  # some are refused, and some are not
