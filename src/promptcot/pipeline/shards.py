"""Which part of its input a command with `--shard` reads, and which outputs it refuses to write.

`core.shards` assigns rows to shards; `merge` joins shards.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from promptcot.core.shards import EVERYTHING, Part, Shard
from promptcot.errors import UsageError
from promptcot.records import SOURCE_INDEX
from promptcot.storage.manifest import read_manifest
from promptcot.storage.paths import stem, url_of
from promptcot.storage.rows import read_rows


def part_of(shard: Shard | None, sources: Sequence[Path], output: Path) -> Part:
    """The part of these files to read. Raises UsageError if they, or the output, belong to another shard."""
    if shard is None:
        return EVERYTHING
    refuse_another_shard(shard, output)
    made = {source: _shard_of(source) for source in sources}
    for source, found in made.items():
        if found not in (None, str(shard)):
            raise UsageError(
                f"{source}: this is shard {found} already, and --shard says {shard}. Give the file of shard {shard}, "
                "or all rows: `promptcot merge` joins what shards wrote"
            )
    if len(set(made.values())) > 1:
        [first, *_] = [source for source, found in made.items() if found is None]
        raise UsageError(f"{first}: this file was not made with --shard, and the others were; give files of one kind")
    whole = None not in made.values()
    return Part(shard, whole, _is_kept(sources[0], whole))


def default_directory(recipe: str, shard: Shard | None) -> Path:
    """The default directory for a run of a recipe of this name: a separate one for each shard."""
    return Path("out") / (recipe if shard is None else f"{recipe}-{shard.index}-of-{shard.count}")


def refuse_another_shard(shard: Shard, output: Path) -> None:
    """Raises UsageError if an output or run directory holds another shard, which would be overwritten."""
    found = (read_manifest(output) or {}).get("shard") if url_of(output) is None else None
    if found not in (None, str(shard)):
        raise UsageError(
            f"{output}: this is shard {found}, and --shard says {shard}; give each shard an output of its own"
        )


def _shard_of(source: Path) -> str | None:
    """The shard that a file belongs to, from the files beside it or, in a run directory, from its recipe."""
    return _settings_of(source).get("shard")


def _settings_of(source: Path) -> dict[str, str]:
    if url_of(source) is not None:
        return read_manifest(source) or {}
    in_run = (source.parent / f"{stem(source)}.jsonl").exists() and (source.parent / "summary.json").exists()
    return read_manifest(source) or (in_run and read_manifest(source.parent)) or {}


def _is_kept(source: Path, whole: bool) -> bool:
    """Whether rows have their own positions, which no sharded command assigned."""
    if whole:
        return _settings_of(source).get(SOURCE_INDEX) == "kept"
    return SOURCE_INDEX in next(read_rows(source, may_be_empty=True), {})
