"""The truth about a run directory of the nano world: which of its files hold what, and what the checker makes of it.

`truth` and `findings` do the counting. Files that a run does not have are left out, since a step may have dropped
nothing, or may not be part of the run.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from promptcot.core import fields
from promptcot.core.criteria import RATINGS
from promptcot.core.filtering import verdict_of
from promptcot.core.remedies import INVALID
from promptcot.errors import InputError
from promptcot.nano.files import is_world
from promptcot.nano.findings import ILL_POSED, LOOKED_AT, finding, has_problem, of_world, sampled_concepts
from promptcot.nano.truth import Detection, Share, Truth
from promptcot.records import Row
from promptcot.storage.manifest import read_manifest
from promptcot.storage.rows import read_rows
from promptcot.storage.sources import shown

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
_NO_VERDICT = ("invalid verdict", "missing verdict")
"""The reasons of the filter (`core.filtering.decide`) for rows that a judge has no verdict on."""


def stage_files(run: Path) -> dict[str, Path]:
    """The file of each stage that the run has, by what its rows are."""
    files = {name: run / f"{stage}.jsonl" for name, stage in STAGES.items()}
    return {name: file for name, file in files.items() if file.exists()}


def check_world(run: Path) -> None:
    """Raises InputError for a run, or a file, with problems of another domain, of which the checker knows nothing."""
    way_out = "`promptcot measure` measures problems of any domain"
    prompts = fields.mapping((read_manifest(run) or {}).get("recipe")).get("prompts") if run.is_dir() else None
    if isinstance(prompts, str) and not is_world(prompts):
        raise InputError(
            f"{run}: its recipe has the domain {prompts}, and only problems of the nano world can be checked; {way_out}"
        )
    for file in [*stage_files(run).values()][:1] if run.is_dir() else [run]:
        if of_world(row for _, row in _problems(file)) is False:
            raise InputError(
                f"{shown(file)}: neither the concepts nor the problems of its first {LOOKED_AT} rows are of the nano "
                f"world, and others cannot be checked; {way_out}"
            )


def truth_of(file: Path) -> Truth:
    """The truth about the rows of a file. Raises InputError for a missing or empty file, or a row without `problem`."""
    return _truth(file, may_be_empty=False)


def truths(run: Path) -> dict[str, Truth]:
    """The truth about the rows of each stage. Raises InputError for a row without `problem`."""
    return {name: _truth(file, may_be_empty=True) for name, file in stage_files(run).items()}


def _truth(file: Path, *, may_be_empty: bool) -> Truth:
    found = Truth()
    for _, row in _problems(file, may_be_empty=may_be_empty):
        found.add(row)
    return found


def ceiling(run: Path) -> Share:
    """Of the combinations that were sampled, those for which there is a problem of their level."""
    found = Share()
    for row in _rows(run / "sample.jsonl"):
        found.add(is_part=has_problem(sampled_concepts(row), str(row.get("level"))))
    return found


def judges(run: Path) -> dict[str, Detection]:
    """How well each judge finds defects: it marks a row by a readable verdict below perfect.

    Raises InputError for a row without `judgement`.
    """
    found = {}
    for name, file in _each(run, "judge"):
        detection = found[name] = Detection()
        for row in _rows_with_problems(file):
            verdict = _verdict(row, file)
            ratings = fields.mapping(row.get("ratings")) if verdict is not None else None
            detection.unread.add(is_part=verdict is None)
            marked = None if verdict is None else verdict != "perfect"
            detection.add(finding(row).defects, marked=marked, ratings=ratings)
    return found


def filtered(run: Path) -> Detection | None:
    """How well all judges together find defects, by what the filter drops; None without two judges and a filter."""
    if len(list(_each(run, "judge"))) < 2 or not (run / "filter.jsonl").exists():
        return None
    found = Detection()
    for row in _rows_with_problems(run / "filter.jsonl"):
        found.add(finding(row).defects, marked=False)
    for row in _rows_with_problems(run / "filter.dropped.jsonl"):
        found.add(finding(row).defects, marked=None if row.get("reason") in _NO_VERDICT else True)
    return found


def verifiers(run: Path) -> dict[str, Detection]:
    """How well the verifiers find ill-posed problems: together in `verify`, which drops what it marks, and each voter
    of several by the majority of its own votes.

    Raises InputError for the row of a voter without `validity`.
    """
    found = {}
    if (run / "verify.jsonl").exists():
        found["verify"] = Detection()
        for row in _rows_with_problems(run / "verify.jsonl"):
            _vote(found["verify"], row, marked=False)
        for row in _rows_with_problems(run / "verify.dropped.jsonl"):
            _vote(found["verify"], row, marked=_is_invalid(row.get("reason")) or None)
    for name, file in _each(run, "verify"):
        found[name] = Detection()
        for row in _rows_with_problems(file):
            valid, invalid, _ = _votes(row)
            if valid is None or invalid is None:
                raise InputError(f"{file}: row {row.get('id')}: it has no votes in `validity`; verify again")
            _vote(found[name], row, marked=valid <= invalid if valid + invalid else None)
    return found


def _each(run: Path, step: str) -> Iterator[tuple[str, Path]]:
    """The rows of each judge or voter, by its name."""
    for file in sorted(run.glob(f"{step}-*.jsonl")):
        if not file.name.endswith(".dropped.jsonl"):
            yield file.stem.removeprefix(f"{step}-"), file


def _verdict(row: Row, file: Path) -> str | None:
    """A judge's verdict; None for a reply that could not be read."""
    if "judgement" not in row:
        raise InputError(f"{file}: row {row.get('id')}: it has no `judgement`; judge it again")
    verdict = verdict_of(row)
    return verdict if verdict in RATINGS else None


def _vote(found: Detection, row: Row, *, marked: bool | None) -> None:
    """Count a row and its votes. A verifier sees the problem alone, so that only an ill-posed one is a defect to it."""
    defects = [defect for defect in finding(row).defects if defect.startswith(ILL_POSED)]
    valid, invalid, undecided = (number or 0 for number in _votes(row))
    found.unread += Share(undecided, valid + invalid + undecided)
    found.add(defects, marked=marked)


def _votes(row: Row) -> tuple[int | None, int | None, int | None]:
    """Valid, invalid and undecided votes; None for a number that the row does not have."""
    votes = fields.counts(fields.mapping(row.get("validity")).get("votes"))
    return votes.get("valid"), votes.get("invalid"), votes.get("undecided")


def _is_invalid(reason: object) -> bool:
    """Whether a verifier dropped a row as invalid, and not because its votes do not decide."""
    return isinstance(reason, str) and (reason == "invalid" or reason.startswith(INVALID))


def wrong_rows(run: Path) -> Iterator[Row]:
    """Each row of a run, or of a file, with which something is wrong: its `id`, or else its place in the file, `where`
    it stands, the `problem`, and what is `wrong`.

    Of a run they are the rows of the first of `STAGES` that it has.
    """
    if not run.is_dir():
        yield from _wrong(run, {}, {}, run.name)
        return
    where = {str(row.get("id")): place for place, row in _places(run)}
    labels = {str(row.get("id")): row.get("answer") for row in _rows(run / "label.jsonl")}
    for name, file in [*stage_files(run).items()][:1]:
        yield from _wrong(file, where, labels, name)


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
    for number, row in _problems(file):
        name = f"row {number}" if row.get("id") in (None, "") else str(row["id"])
        found = finding({"answer": labels.get(name), **row})
        if said := list(found.wrong()):
            yield {"id": name, "where": where.get(name, elsewhere), "problem": row["problem"], "wrong": said}


def _rows(file: Path) -> Iterator[Row]:
    return read_rows(file, may_be_empty=True) if file.exists() else iter(())


def _rows_with_problems(file: Path) -> Iterator[Row]:
    return (row for _, row in _problems(file)) if file.exists() else iter(())


def _problems(file: Path, *, may_be_empty: bool = True) -> Iterator[tuple[int, Row]]:
    """The rows of a file with their places in it. Raises InputError for a row without `problem`."""
    for number, row in enumerate(read_rows(file, may_be_empty=may_be_empty), 1):
        if not isinstance(row.get("problem"), str):
            raise InputError(
                f"{shown(file)}, row {number}: it has no text in `problem`; name the field so, or remove the row"
            )
        yield number, row
