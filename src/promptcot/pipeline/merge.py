"""Joins the outputs that several drivers wrote with `--shard` into the output of a single driver.

Decides which shards belong together, and joins outputs of a verb. `merge_runs` joins run directories.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from promptcot.core.shards import Shard, differences, in_input_order, place_of, without_place
from promptcot.core.units import counted
from promptcot.errors import InputError, UsageError
from promptcot.pipeline.observer import Observer
from promptcot.records import SOURCE_INDEX, Row
from promptcot.storage.budget import Paid
from promptcot.storage.counts import StageCounts, damaged_lines
from promptcot.storage.journal import Journal
from promptcot.storage.json import loads
from promptcot.storage.manifest import manifest_path, read_manifest
from promptcot.storage.outputs import Output
from promptcot.storage.overlap import RUN, Read, Written, check_paths
from promptcot.storage.paths import beside, url_of
from promptcot.storage.rows import read_rows
from promptcot.storage.sources import result_on_disk, shown


@dataclass(frozen=True)
class Made:
    """The output of one driver: a run directory or a file, its shard, and its manifest."""

    path: Path
    shard: Shard
    manifest: Mapping[str, Any]
    shown: str
    """The location that the user named: a path, or the address of which this is a copy."""

    @cached_property
    def counts(self) -> dict[str, StageCounts]:
        """The counts of its steps. Raises InputError."""
        path = manifest_path(self.path)
        path = path.with_name(path.name.replace("recipe.json", "summary.json"))
        try:
            stages = loads(path.read_bytes())["stages"]
            return {name: StageCounts.of_summary(name, table) for name, table in stages.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path}: the counts of shard {self.shard} cannot be read; run it again") from error


def shards_of(target: Path, paths: Sequence[Path], *, partial: bool) -> list[Made]:
    """The shards in these paths, or at these addresses, in order, if they can be joined.

    Raises UsageError, InputError.
    """
    _check_paths(target, [result_on_disk(path) for path in paths])
    read = [_read(result_on_disk(path), shown(path)) for path in paths]
    made = sorted(read, key=lambda one: (one.shard.count, one.shard.index))
    _check_numbers(made, partial)
    for other in made[1:]:
        if found := differences(made[0].manifest, other.manifest):
            raise InputError(
                f"{made[0].shown} and {other.shown} were made with different settings: {', '.join(found)}; "
                "run one of them again with the settings of the other"
            )
    return made


def _check_paths(target: Path, paths: Sequence[Path]) -> None:
    """Raises UsageError for paths that do not belong together, InputError for an unreadable one."""
    if not paths:
        raise UsageError("merge: name the run directories, or the outputs, that the shards wrote")
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: no such file or directory")
    if len({path.is_dir() for path in paths}) > 1:
        raise UsageError(
            "merge: these are run directories and files; join directories with directories, and files with files"
        )
    check_paths([Read(path, RUN) for path in paths], [Written.of(target, "either")])
    if target.exists() and target.is_dir() != paths[0].is_dir():
        kind = "directories, and it is a file" if paths[0].is_dir() else "files, and it is a directory"
        raise UsageError(f"{target}: the shards are {kind}; give the result another name")


def _read(path: Path, name: str) -> Made:
    manifest = read_manifest(path)
    if manifest is None:
        raise InputError(
            f"{name}: {manifest_path(path).name} is missing; a command writes it at its end, so finish the command "
            "first"
        )
    if "shard" not in manifest:
        raise InputError(f"{name}: it was not made with --shard; merge joins what all shards of a command made")
    if not (isinstance(manifest.get("recipe"), dict) and isinstance(manifest.get("models"), dict)):
        raise InputError(f"{name}: {manifest_path(path).name} does not say how it was made; run it again")
    return Made(path, Shard.parse(str(manifest["shard"])), manifest, name)


def _check_numbers(made: Sequence[Made], partial: bool) -> None:
    """Raises UsageError unless each shard of one job occurs exactly once."""
    counts = sorted({one.shard.count for one in made})
    if len(counts) > 1:
        each = ", ".join(f"{one.shown} is {one.shard}" for one in made)
        raise UsageError(f"these are not shards of one job: {each}")
    times = Counter(one.shard for one in made)
    if twice := [shard for shard, count in times.items() if count > 1]:
        names = ", ".join(one.shown for one in made if one.shard == twice[0])
        raise UsageError(f"shard {twice[0]} is given {times[twice[0]]} times: {names}; name each shard once")
    if (missing := lacking(made)) and not partial:
        raise UsageError(f"missing: {missing}; name them too, or use --partial to join without them")


def lacking(made: Sequence[Made]) -> str:
    """The missing shards of a job, as text; empty if there are none."""
    count, there = made[0].shard.count, {one.shard for one in made}
    found = [f"{index}/{count}" for index in range(1, count + 1) if Shard(index, count) not in there]
    return f"shard{'s' if len(found) > 1 else ''} {', '.join(found)}" if found else ""


def merge_files(target: Path, shards: Sequence[Made], observer: Observer) -> StageCounts:
    """Join outputs of a verb, with the files beside them; returns the counts. Raises PromptCoTError."""
    observer.note(f"joining {counted(len(shards), 'shard')} into {target}")
    name, *more = shards[0].counts
    if more:
        raise InputError(
            f"{shards[0].shown}: several steps made it ({', '.join(shards[0].counts)}), but only outputs of a "
            "single step can be joined; join the inputs of the shards, and take all rows through the steps"
        )
    for other in shards[1:]:
        if [*other.counts] != [name]:
            found = ", ".join(other.counts)
            raise InputError(f"{shards[0].shown} and {other.shown}: these are outputs of {name} and of {found}")
    counts = total(name, shards)
    kept = shards[0].manifest.get(SOURCE_INDEX) == "kept"
    with Output(target, name) as output:
        theirs = [(one, beside(one.path, "journal")) for one in shards]
        paid = join_journals(name, beside(target, "journal"), theirs, observer)
        for kind in ("", "dropped", "failed"):
            files = [beside(one.path, f"{kind}.jsonl") if kind else one.path for one in shards]
            for row in joined_rows(files):
                output.copy(kind, row if kept else without_place(row))
        counts.paid = counts.paid if paid is None else paid
        output.counts = counts
        output.commit(_manifest(target, shards))
    return counts


def joined_rows(files: Sequence[Path]) -> Iterator[Row]:
    """The rows of all existing files, in the order of the whole input. Raises InputError."""
    return in_input_order(map(_ascending, [file for file in files if file.exists()]))


def _ascending(file: Path) -> Iterator[Row]:
    last = 0
    for number, row in enumerate(read_rows(file, may_be_empty=True), 1):
        try:
            place = place_of(row)
        except InputError as error:
            raise InputError(f"{file}, row {number}: {error}") from error
        if place < last:
            raise InputError(
                f"{file}, row {number}: `{SOURCE_INDEX}` {place} comes after {last}; rows are joined in the order of "
                "this field, so the input must be in the same order"
            )
        last = place
        yield row


def total(name: str, shards: Sequence[Made]) -> StageCounts:
    """The counts of a step over all shards."""
    found = StageCounts(name)
    for one in shards:
        found.add(one.counts[name])
    return found


def unsharded(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest of the same command without `--shard`."""
    return {key: value for key, value in manifest.items() if key not in ("shard", "input", SOURCE_INDEX)}


def _manifest(target: Path, shards: Sequence[Made]) -> dict[str, Any]:
    """The manifest of the first shard; differing inputs are all listed."""
    recipes = [one.manifest["recipe"] for one in shards]
    changed: dict[str, Any] = {
        key: [recipe.get(key) for recipe in recipes]
        for key in ("data_path", "template")
        if any(recipe.get(key) != recipes[0].get(key) for recipe in recipes)
    }
    if "output_path" in recipes[0]:
        changed["output_path"] = str(target)
    return {**unsharded(shards[0].manifest), "recipe": {**recipes[0], **changed}}


def join_journals(
    name: str, journal: Path, theirs: Sequence[tuple[Made, Path]], observer: Observer
) -> dict[str, Paid] | None:
    """Join the finished calls of all shards for a step into one journal; returns their cost.

    None if a shard made calls and has no journal: their cost is then known from its counts only.
    """
    files = [(one, folder / "calls.jsonl") for one, folder in theirs]
    paid: dict[str, Paid] = {}
    if found := [file for _, file in files if file.exists()]:
        with Journal(journal) as ours:
            for file in found:
                if damaged := ours.absorb_file(file):
                    observer.note(f"{file}: {damaged_lines(damaged)}")
            paid = ours.paid
    without = [one for one, file in files if not file.exists() and (one.counts[name].calls or one.counts[name].reused)]
    for one in without:
        there = url_of(one.shown)
        way = "; the journals are in the folder given with --journal, so run merge there" if there else ""
        observer.note(
            f"{one.shown}: the journal of {name} is not there, so its calls are made and paid for again if the joined "
            f"output is continued{way}"
        )
    return None if without else paid
