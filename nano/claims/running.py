"""Runs a claim: makes its pool, and measures the cases that have no result yet, two at a time.

A claim that was stopped goes on with the cases that are missing, and a training where it was.
"""

from __future__ import annotations

import argparse
import multiprocessing
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from pathlib import Path

from transformers.utils import logging

from nano.claims import making, results
from nano.claims.claim import Case, Claim, Result, Values
from nano.claims.rehearsal import rehearse
from nano.claims.sizes import FULL, SMALLEST, Sizes

AT_ONCE = 2


def arguments(claim: Claim) -> argparse.Namespace:
    """The options that all claims share."""
    parser = argparse.ArgumentParser(prog=f"python -m nano.claims.{claim.name}")
    parser.add_argument("out", type=Path, help="the folder of `nano.train`; results go to OUT/claims")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each variant")
    parser.add_argument("--smallest", action="store_true", help="see that it runs; missing models are random")
    return parser.parse_args()


def main(claim: Claim) -> None:
    """The command line of a claim."""
    chosen = arguments(claim)
    logging.disable_progress_bar()
    out, sizes = (rehearse(chosen.out), SMALLEST) if chosen.smallest else (chosen.out, FULL)
    cases = waiting(claim, out, chosen.seeds, sizes)
    if cases and claim.pool is not None:
        making.ensure(out, claim.pool, sizes)
    with ProcessPoolExecutor(AT_ONCE, multiprocessing.get_context("spawn")) as processes:
        run(claim, cases, processes)


def waiting(claim: Claim, out: Path, seeds: int, sizes: Sizes) -> list[Case]:
    """The cases without a result, seed by seed, so that a claim that is stopped has something of every variant."""
    finished = {(result.variant, result.seed) for result in results.current(out, claim, sizes)}
    every = [(variant, seed) for seed in range(1, seeds + 1) for variant in claim.variants]
    basis = claim.basis(out, sizes)
    return [Case(claim.name, *one, out, sizes, basis) for one in every if one not in finished]


def run(claim: Claim, cases: Sequence[Case], processes: Executor) -> None:
    """Measure the cases and write down each result as it comes.

    Where one fails, the other that is under way still ends, its result is kept, and no further one begins.
    """
    under_way: dict[Future[Values], Case] = {}
    try:
        for case in cases:
            if len(under_way) == AT_ONCE:
                _keep(claim, under_way, FIRST_COMPLETED)
            under_way[processes.submit(measured, claim.measure, case)] = case
    finally:
        _keep(claim, under_way, ALL_COMPLETED)


def _keep(claim: Claim, under_way: dict[Future[Values], Case], when: str) -> None:
    """Write down the results that there are; after that, raise what went wrong in a case."""
    failures = []
    for future in wait(under_way, return_when=when).done:
        case = under_way.pop(future)
        if (failure := future.exception()) is not None:
            failures.append(failure)
            continue
        results.add(case.out / "claims", claim.name, Result(case.variant, case.seed, future.result(), case.basis))
        shutil.rmtree(case.out / case.training, ignore_errors=True)  # weights and state, once they are measured
        print(f"{claim.name}: {case.variant}, seed {case.seed}: {future.result()}", flush=True)
    if failures:
        raise failures[0]


def measured(measure: Callable[[Case], Values], case: Case) -> Values:
    """Measure a case, in a process of its own."""
    logging.disable_progress_bar()
    return measure(case)
