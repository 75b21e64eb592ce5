"""Every claim in miniature runs through at its smallest size, on random weights and a pool by the writer."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from nano.claims import hard, results
from nano.claims.claim import Claim, Result
from nano.claims.plots import CLAIMS, DOCS
from nano.claims.rehearsal import rehearse
from nano.claims.sizes import FULL
from tests.integration.scripts.finding import runs_through, scripts

NAMES = [claim.name for claim in CLAIMS]


def test_every_script_of_a_claim_is_run_here() -> None:
    assert scripts("nano/claims") == sorted([*NAMES, "plots"])


@pytest.mark.parametrize("claim", CLAIMS, ids=NAMES)
def test_a_claim_is_measured_for_every_variant_and_not_again(claim: Claim, tmp_path: Path) -> None:
    for _ in range(2):
        runs_through("-m", f"nano.claims.{claim.name}", str(tmp_path), "--seeds", "1", "--smallest")
    found = results.read(tmp_path / "smallest" / "claims", claim.name)
    assert sorted(result.variant for result in found) == sorted(claim.variants)
    assert all(claim.value in result.values for result in found)
    left = {path.name for path in (tmp_path / "smallest" / "claims").iterdir() if path.is_dir()}
    assert not left, "the weights of a case are not kept"


def test_results_become_tables_and_plots(tmp_path: Path) -> None:
    out, docs = rehearse(tmp_path), tmp_path / "docs"
    (docs / "plots").mkdir(parents=True)
    shutil.copy(DOCS / "claims.md", docs)
    basis = hard.CLAIM.basis(out, FULL)
    for seed in (1, 2, 3):
        results.add(out / "claims", "hard", Result("hard", seed, {"accuracy": 0.5 + seed / 100}, basis))
        results.add(out / "claims", "hard", Result("easy", seed, {"accuracy": 0.4 + seed / 100}, basis))
        results.add(
            out / "claims", "hard", Result("hard", seed, {"accuracy": 0.1}, {**basis, "start": "other weights"})
        )
    for words in ([str(out)], []):
        runs_through("-m", "nano.claims.plots", *words, "--docs", str(docs))
        assert "**Holds**: hard against easy: +10.0 points" in (docs / "claims.md").read_text(encoding="utf-8")
    assert [path.name for path in (docs / "plots").iterdir()] == ["claims-hard.png"]
    kept = results.read(docs / "claims", "hard")
    assert [(one.variant, one.seed) for one in kept] == [
        (name, seed) for name in ("hard", "easy") for seed in (1, 2, 3)
    ]
