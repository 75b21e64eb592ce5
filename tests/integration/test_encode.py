"""`encode`: each distinct concept once, also after an interruption."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from promptcot.engines.local.engine import LocalEngine
from promptcot.engines.scripted import ScriptedEngine
from promptcot.errors import EngineUnusable, InputError, LockedError, StorageError, TransientError
from promptcot.stages.encode import encode
from promptcot.storage.atomic import locked
from promptcot.storage.counts import StageCounts
from promptcot.storage.embeddings import read_embeddings
from tests.integration.tiny_models import save_model

CONCEPTS = [f"concept {number}" for number in range(100)]


class Counting(ScriptedEngine):
    """Remembers the texts it embedded, and fails before call number `fails_at`."""

    def __init__(self, model: str = "scripted", fails_at: int | None = None, dimensions: int = 8) -> None:
        super().__init__(lambda request: "", model=model, dimensions=dimensions)
        self.fails_at = fails_at
        self.calls: list[list[str]] = []

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if len(self.calls) == self.fails_at:
            raise TransientError("the machine went away")
        self.calls.append(list(texts))
        # The neighbours move the last bits, as they may in a real engine.
        return await super().embed(texts) + np.float32(len(texts) * 1e-3)

    @property
    def embedded(self) -> list[str]:
        return [text for call in self.calls for text in call]


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


async def test_distinct_concepts_are_embedded_once_in_their_order(tmp_path: Path) -> None:
    engine, counts = Counting(), StageCounts("encode")
    await encode([*CONCEPTS[::-1], " concept 3 ", *CONCEPTS], engine, tmp_path / "X.safetensors", 7, counts)
    found = read_embeddings(tmp_path / "X.safetensors")
    assert list(found.names) == engine.embedded == CONCEPTS[::-1]
    expected = await ScriptedEngine(lambda request: "").embed(CONCEPTS[::-1])
    np.testing.assert_allclose(found.matrix, expected, atol=1e-2)
    assert (counts.rows_in, counts.rows_out, counts.rows_written, counts.reused, counts.calls) == (100, 100, 100, 0, 15)


@pytest.mark.parametrize("name", ["X.safetensors", "X.jsonl"])
@pytest.mark.parametrize("fails_at", [0, 1, 3, 14])
async def test_an_interrupted_run_goes_on_and_ends_with_the_same_files(
    tmp_path: Path, name: str, fails_at: int
) -> None:
    (tmp_path / "undisturbed").mkdir()
    whole = Counting()
    await encode(CONCEPTS, whole, tmp_path / "undisturbed" / name, 7)
    first, second = Counting(fails_at=fails_at), Counting()
    target = tmp_path / "resumed" / name
    with pytest.raises(TransientError):
        await encode(CONCEPTS, first, target, 7)
    assert not target.exists()
    counts = StageCounts("encode")
    await encode(CONCEPTS, second, target, 7, counts)
    assert first.calls + second.calls == whole.calls
    assert (counts.calls, counts.reused) == (len(second.calls), len(first.calls))
    assert content(target.parent) == content(tmp_path / "undisturbed")


@pytest.mark.parametrize("torn", [1, 5, 40, 200])
async def test_a_torn_journal_is_repaired(tmp_path: Path, torn: int) -> None:
    target = tmp_path / "X.safetensors"
    first, second = Counting(), Counting()
    await encode(CONCEPTS, first, target, 7)
    undisturbed = content(tmp_path)
    [journal] = (tmp_path / "X.journal").glob("*.vectors")
    os.truncate(journal, journal.stat().st_size - torn)
    target.unlink()
    await encode(CONCEPTS, second, target, 7)
    assert second.calls == first.calls[-len(second.calls) :]
    assert 1 <= len(second.calls) <= 2
    assert content(tmp_path) == undisturbed


async def test_a_damaged_record_is_not_trusted(tmp_path: Path) -> None:
    target = tmp_path / "X.safetensors"
    await encode(CONCEPTS, Counting(), target, 7)
    undisturbed = content(tmp_path)
    [journal] = (tmp_path / "X.journal").glob("*.vectors")
    damaged = bytearray(journal.read_bytes())
    damaged[-20] ^= 0xFF
    journal.write_bytes(damaged)
    again = Counting()
    await encode(CONCEPTS, again, target, 7)
    assert again.embedded == CONCEPTS[-2:]
    assert content(tmp_path) == undisturbed


async def test_a_damaged_record_in_the_middle_costs_its_own_chunk(tmp_path: Path) -> None:
    target = tmp_path / "X.safetensors"
    await encode(CONCEPTS, Counting(), target, 7)
    undisturbed = content(tmp_path)
    [journal] = (tmp_path / "X.journal").glob("*.vectors")
    damaged = bytearray(journal.read_bytes())
    damaged[8 + 36 * 16] ^= 0xFF
    journal.write_bytes(damaged)
    again, last = Counting(), Counting()
    await encode(CONCEPTS, again, target, 7)
    await encode(CONCEPTS, last, target, 7)
    assert again.embedded == CONCEPTS[14:21]
    assert last.embedded == []
    assert content(tmp_path) == undisturbed


@pytest.mark.parametrize("place", range(8))
async def test_vectors_whose_number_of_dimensions_is_damaged_are_made_again(tmp_path: Path, place: int) -> None:
    target = tmp_path / "X.safetensors"
    await encode(CONCEPTS, Counting(), target, 50)
    undisturbed = content(tmp_path)
    [journal] = (tmp_path / "X.journal").glob("*.vectors")
    damaged = bytearray(journal.read_bytes())
    damaged[place] ^= 0x21
    journal.write_bytes(damaged)
    await encode(CONCEPTS, Counting(), target, 50)
    assert content(tmp_path) == undisturbed


@pytest.mark.parametrize("size", [0, 3, 8, 9])
async def test_a_journal_that_was_hardly_begun_is_begun_again(tmp_path: Path, size: int) -> None:
    target = tmp_path / "X.safetensors"
    await encode(CONCEPTS, Counting(), target, 50)
    undisturbed = content(tmp_path)
    [journal] = (tmp_path / "X.journal").glob("*.vectors")
    os.truncate(journal, size)
    again = Counting()
    await encode(CONCEPTS, again, target, 50)
    assert again.embedded == CONCEPTS
    assert content(tmp_path) == undisturbed


async def test_another_model_and_new_concepts_are_asked_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "X.safetensors"
    await encode(CONCEPTS, Counting("one"), target, 10)
    same, longer, other = Counting("one"), Counting("one"), Counting("two", dimensions=4)
    await encode(CONCEPTS, same, target, 10)
    await encode([*CONCEPTS, "new"], longer, target, 10)
    await encode(CONCEPTS, other, target, 10)
    assert (same.embedded, longer.embedded, other.embedded) == ([], ["new"], CONCEPTS)
    assert read_embeddings(target).matrix.shape == (100, 4)


async def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    with locked(tmp_path / "X.journal" / "lock"), pytest.raises(LockedError):
        await encode(CONCEPTS, Counting(), tmp_path / "X.safetensors")


async def test_vectors_that_are_not_finite_stop_and_are_not_kept(tmp_path: Path) -> None:
    class Broken(Counting):
        async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
            vectors = await super().embed(texts)
            vectors[2, 3] = np.nan
            return vectors

    with pytest.raises(EngineUnusable, match="'concept 2' has values that are not finite"):
        await encode(CONCEPTS, Broken(), tmp_path / "X.safetensors")
    again = Counting()
    await encode(CONCEPTS, again, tmp_path / "X.safetensors")
    assert again.embedded == CONCEPTS


async def test_no_concepts_or_an_empty_one_are_refused(tmp_path: Path) -> None:
    for concepts in ([], ["a", " "]):
        with pytest.raises(InputError, match="encode"):
            await encode(concepts, Counting(), tmp_path / "X.safetensors")


async def test_a_full_disk_keeps_what_was_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, first, second = tmp_path / "X.safetensors", Counting(), Counting()
    fsync, left = os.fsync, [4]

    def filling(handle: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", filling)
    with pytest.raises(StorageError, match="No space left"):
        await encode(CONCEPTS, first, target, 7)
    monkeypatch.undo()
    await encode(CONCEPTS, second, target, 7)
    assert len(second.embedded) <= 100 - 4 * 7
    assert list(read_embeddings(target).names) == CONCEPTS


async def test_the_embedded_engine_ends_with_the_same_files_after_an_interruption(tmp_path: Path) -> None:
    engine = LocalEngine(save_model(tmp_path / "model"))
    await encode(CONCEPTS, engine, tmp_path / "one" / "X.safetensors", 16)
    [journal] = (tmp_path / "one" / "X.journal").glob("*.vectors")
    again = tmp_path / "two" / "X.journal"
    again.mkdir(parents=True)
    (again / journal.name).write_bytes(journal.read_bytes()[: 8 + 40 * 84 + 13])
    await encode(CONCEPTS, engine, tmp_path / "two" / "X.safetensors", 16)
    assert content(tmp_path / "one") == content(tmp_path / "two")
    await engine.close()
