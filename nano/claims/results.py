"""The results of a claim, as JSON lines in `NAME.jsonl` of a folder: one line for each variant and seed.

Where they are measured the folder is `OUT/claims`; those that the page shows are in `docs/claims`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from nano.claims.claim import Claim, Result
from nano.claims.sizes import FULL, Sizes
from promptcot.storage.atomic import write_whole
from promptcot.storage.json import dumps
from promptcot.storage.rows import read_rows


def read(folder: Path, name: str) -> list[Result]:
    """All results of a claim; none where it was never run. Raises InputError for a line that cannot be read."""
    path = folder / f"{name}.jsonl"
    return [Result(**row) for row in read_rows(path, may_be_empty=True)] if path.exists() else []


def current(out: Path, claim: Claim, sizes: Sizes, folder: Path | None = None) -> list[Result]:
    """The results in `folder`, by default OUT/claims, of these sizes, and of the weights and the pool of `out`."""
    found = read(folder or out / "claims", claim.name)
    basis = claim.basis(out, sizes) if found else {}
    return [result for result in found if result.basis == basis]


def merged(out: Path, claim: Claim, sizes: Sizes, folder: Path) -> list[Result]:
    """Those in `folder` and in OUT/claims that are current, by variant and seed; newer ones are those in OUT/claims."""
    every = [*current(out, claim, sizes, folder), *current(out, claim, sizes)]
    found = {(claim.variants.index(one.variant), one.seed): one for one in every}
    return [found[key] for key in sorted(found)]


def sizes_of(found: Sequence[Result]) -> Sizes:
    """The sizes of results, which must all have been measured with the same. Raises ValueError where they differ."""
    basis = found[0].basis
    if any(result.basis != basis for result in found):
        raise ValueError("results of one claim were measured with different sizes, weights or pools; measure it again")
    given: dict[str, Any] = {
        name: tuple(size) if isinstance(size, list) else size for name, size in basis["sizes"].items()
    }
    return replace(FULL, **given)


def write(folder: Path, name: str, results: Sequence[Result]) -> None:
    """Write the results of a claim; the file is never half written."""
    write_whole(folder / f"{name}.jsonl", b"".join(dumps(asdict(result)) for result in results))


def add(folder: Path, name: str, result: Result) -> None:
    """Add one result."""
    write(folder, name, [*read(folder, name), result])
