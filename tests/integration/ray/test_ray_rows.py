"""Blocks of rows: where there are many, they go together, and nothing is lost by it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

ray_rows = pytest.importorskip("promptcot.runners.cluster.rows", exc_type=ImportError)

from promptcot.records import Item  # noqa: E402
from promptcot.storage.remote import Folder  # noqa: E402

pytestmark = pytest.mark.engines


def spooled(folder: Path, rows: int, size: int) -> ray_rows.Spool:
    spool = ray_rows.Spool(Folder.at(folder), size, np.empty(0, np.int64), lambda item: b"")
    for index in range(rows):
        spool.add(Item(index, {"id": str(index)}))
    spool.close()
    return spool


@pytest.mark.parametrize(
    ("blocks", "workers", "most"), [(1, 1, 16), (7, 4, 16), (391, 1, 16), (391, 8, 16), (50, 1, 1)]
)
def test_blocks_go_together_in_order_and_end_small(blocks: int, workers: int, most: int) -> None:
    found = ray_rows.together([ray_rows.Block(10 * place, 10, 3) for place in range(blocks)], workers, most)
    assert [block.offset for block in found] == [sum(each.length for each in found[:n]) for n in range(len(found))]
    assert sum(block.rows for block in found) == 3 * blocks
    sizes = [block.rows // 3 for block in found]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 1
    assert max(sizes) == max(1, min(most, blocks // (8 * workers)))
    assert len(found) >= min(blocks, 8 * workers)  # each worker has several, and ends with small ones


def test_a_block_of_several_is_read_as_all_of_their_rows(tmp_path: Path) -> None:
    spool = spooled(tmp_path, 100, size=3)
    tables = [
        ray_rows._read(Folder.at(tmp_path), block) for block in ray_rows.together(spool.blocks, workers=1, most=4)
    ]
    assert len(tables) < len(spool.blocks) == 34
    assert [index for [table] in tables for index in table["index"].to_pylist()] == list(range(100))
