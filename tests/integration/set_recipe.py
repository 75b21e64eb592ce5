"""A folder with a recipe that makes a set, and a deterministic server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz.verbs import SET
from tests.golden import materials
from tests.golden.speaker import Speaker, speaking


@pytest.fixture(scope="module")
def speaker() -> Iterator[Speaker]:
    with speaking() as found:
        yield found


@pytest.fixture
def kitchen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, speaker: Speaker) -> Path:
    """A folder with the recipe and its inputs."""
    monkeypatch.chdir(tmp_path)
    texts = {"run.toml": SET, "concepts.jsonl": materials.CONCEPTS, "references.jsonl": materials.REFERENCES}
    for name, text in texts.items():
        (tmp_path / name).write_text(text.replace("@server@", speaker.url), encoding="utf-8")
    return tmp_path
