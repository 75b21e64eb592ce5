"""Runs a claim: prepares what its cases share, and measures those that have no result yet, two at a time.

A claim that was stopped goes on with the cases that are missing, and a training where it was.
"""

from __future__ import annotations

import argparse
import multiprocessing
import shutil
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from transformers.utils import logging

from nano.claims import results
from nano.claims.claim import Case, Claim, Result, Values
from nano.claims.rehearsal import rehearse
from nano.claims.sizes import FULL, SMALLEST, Sizes

AT_ONCE = 2


def arguments(claim: Claim) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m nano.claims.{claim.name}")
    parser.add_argument("out", type=Path, help="the folder of `nano.train`; results go to OUT/claims")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each variant")
    parser.add_argument("--smallest", action="store_true", help="see that it runs; missing models are random")
    return parser.parse_args()


def main(claim: Claim) -> None:
    """The command line of a claim."""
    chosen = arguments(claim)
    logging.disable_progress_bar()
    out = rehearse(chosen.out) if chosen.smallest else chosen.out
    cases = waiting(claim, out, chosen.seeds, SMALLEST if chosen.smallest else FULL)
    if cases:
        claim.prepare(out, cases[0].sizes)
        run(claim, cases)


def waiting(claim: Claim, out: Path, seeds: int, sizes: Sizes) -> list[Case]:
    """The cases without a result, seed by seed, so that a claim that is stopped has something of every variant."""
    finished = {(result.variant, result.seed) for result in results.read(out, claim.name)}
    every = [(variant, seed) for seed in range(1, seeds + 1) for variant in claim.variants]
    return [Case(claim.name, *one, out, sizes) for one in every if one not in finished]


def run(claim: Claim, cases: Sequence[Case]) -> None:
    """Measure the cases and write down each result as it comes. After a failure the cases under way still end."""
    with ProcessPoolExecutor(AT_ONCE, multiprocessing.get_context("spawn")) as processes:
        futures = {processes.submit(measured, claim, case): case for case in cases}
        try:
            for future in as_completed(futures):
                case, values = futures[future], future.result()
                results.add(case.out, claim.name, Result(case.variant, case.seed, values))
                print(f"{claim.name}: {case.variant}, seed {case.seed}: {values}", flush=True)
        except BaseException:
            processes.shutdown(cancel_futures=True)
            raise


def measured(claim: Claim, case: Case) -> Values:
    """Measure a case; its weights are not kept, and the makers of its texts are ended."""
    logging.disable_progress_bar()
    values = claim.measure(case)
    for maker in multiprocessing.active_children():
        maker.terminate()
    shutil.rmtree(case.out / case.training, ignore_errors=True)
    return values
