"""A bounded run of `odd_rows`; `benchmarks/fuzz_odd_rows.py` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.odd_rows import trial


@pytest.mark.parametrize("first", range(0, 400, 100))
def test_odd_rows_come_back_or_are_replaced_and_counted(first: int, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    finds = {seed: find for seed in range(first, first + 100) if (find := trial(seed, tmp_path))}
    assert finds == {}
