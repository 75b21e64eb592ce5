"""The truth about a run directory of the nano world: which of its files hold what, and what the checker makes of it.

`truth` and `findings` do the counting. Files that a run does not have are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from promptcot.nano.findings import ILL_POSED, can_be_had, finding, sampled_concepts
from promptcot.nano.truth import Detection, Share, Truth
from promptcot.records import Row
from promptcot.storage.rows import read_rows

STAGES = {
    "generated": "generate",
    "accepted": "filter",
    "verified": "verify",
    "labelled": "label",
    "in the set": "set",
}
"""The file of the rows of each stage that is compared, by what its rows are."""

_STEPS = ("filter", "verify", "dedup", "decontaminate", "label", "select")
"""The steps that pass rows on or drop them, in their order."""


def truth_of(file: Path) -> Truth:
    """The truth about the rows of a file. Raises InputError for a row without `problem`."""
    found = Truth()
    for row in _rows(file):
        found.add(row)
    return found


def truths(run: Path) -> dict[str, Truth]:
    """The truth about the rows of each stage."""
    files = {name: run / f"{stage}.jsonl" for name, stage in STAGES.items()}
    return {name: truth_of(file) for name, file in files.items() if file.exists()}


def ceiling(run: Path) -> Share:
    """Of the combinations that were sampled, those whose level and concepts can be had at all."""
    found = Share()
    for row in _rows(run / "sample.jsonl"):
        found.add(is_part=can_be_had(sampled_concepts(row), str(row.get("level"))))
    return found


def judges(run: Path) -> dict[str, Detection]:
    """How well each judge finds defects: it marks a row by any verdict but perfect."""
    found = {}
    for file in sorted(run.glob("judge-*.jsonl")):
        if not file.name.endswith(".dropped.jsonl"):
            detection = found[file.stem.removeprefix("judge-")] = Detection()
            for row in _rows(file):
                detection.add(finding(row).defects, marked=row["judgement"] != "perfect", ratings=row["ratings"])
    return found


def verifiers(run: Path) -> dict[str, Detection]:
    """How well the verifiers find ill-posed problems: together in `verify`, which drops what it marks, and each voter
    of several by the majority of its own votes."""
    found = {}
    if (run / "verify.jsonl").exists():
        found["verify"] = Detection()
        for name, marked in (("verify", False), ("verify.dropped", True)):
            for row in _rows(run / f"{name}.jsonl"):
                found["verify"].add(_ill_posed(row), marked=marked)
    for file in sorted(run.glob("verify-*.jsonl")):
        if not file.name.endswith(".dropped.jsonl"):
            detection = found[file.stem.removeprefix("verify-")] = Detection()
            for row in _rows(file):
                votes = row["validity"]["votes"]
                detection.add(_ill_posed(row), marked=votes["valid"] <= votes["invalid"])
    return found


def _ill_posed(row: Row) -> tuple[str, ...]:
    """What a verifier, which sees the problem alone, should see."""
    return tuple(defect for defect in finding(row).defects if defect.startswith(ILL_POSED))


def wrong_rows(run: Path) -> Iterator[Row]:
    """Each row of a run, or of a file, with which something is wrong: its `id`, `where` it stands, and `wrong`."""
    if not run.is_dir():
        yield from _wrong(run, {}, {}, run.name)
        return
    where = {str(row["id"]): place for place, row in _places(run)}
    labels = {str(row["id"]): row.get("answer") for row in _rows(run / "label.jsonl")}
    yield from _wrong(run / "generate.jsonl", where, labels, "generated")


def _places(run: Path) -> Iterator[tuple[str, Row]]:
    """Where rows stand, in the order of the steps: the last place of a row counts."""
    for step in _STEPS:
        for row in _rows(run / f"{step}.jsonl"):
            yield f"passed {step}", row
        for row in _rows(run / f"{step}.dropped.jsonl"):
            yield f"dropped by {step}: {row.get('reason')}", row
    for row in _rows(run / "set.jsonl"):
        yield "in the set", row


def _wrong(file: Path, where: dict[str, str], labels: dict[str, object], elsewhere: str) -> Iterator[Row]:
    for row in _rows(file):
        identity = str(row.get("id"))
        found = finding({"answer": labels.get(identity), **row})
        if said := list(found.wrong()):
            yield {"id": identity, "where": where.get(identity, elsewhere), "wrong": said}


def _rows(file: Path) -> Iterator[Row]:
    return read_rows(file, may_be_empty=True) if file.exists() else iter(())
