"""Run directories as `promptcot run` writes them, with numbers that are easy to compute by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from promptcot.recipe.loading import parse
from promptcot.recipe.recipe import Recipe

TABLE: dict[str, Any] = {
    "name": "small",
    "generate": {"model": "org/writer"},
    "judge": [{"name": "a", "model": "org/judge"}],
}
"""A recipe with one judge."""


def recipe(**sections: Any) -> Recipe:
    """The recipe of TABLE, with these sections."""
    return parse({**TABLE, **sections})


def books(rows: int, out: int, calls: int = 0, seconds: float = 0.0, **more: Any) -> dict[str, Any]:
    """The summary of a stage in which each call read 10 tokens and wrote 20."""
    paid = {"calls": calls, "prompt_tokens": 10 * calls, "completion_tokens": 20 * calls, "cost": None}
    return {
        "in": rows,
        "out": out,
        "dropped": {},
        "failed": {},
        "calls": calls,
        "seconds": seconds,
        "prompt_tokens": 10 * calls,
        "completion_tokens": 20 * calls,
        "models": {"m@1": paid} if calls else {},
        **more,
    }


def write_run(directory: Path, made_with: Recipe, **stages: Any) -> Path:
    """A run of 200 combinations: 100 s for the generator, 50 s for the judge, 50 accepted; `stages` replace books."""
    found = {
        "sample": books(200, 200),
        "generate": books(200, 160, 200, 100.0),
        "judge-a": books(160, 160, 160, 50.0),
        "filter": books(160, 50),
    }
    directory.mkdir(parents=True, exist_ok=True)
    names = {name.replace("_", "-"): one for name, one in stages.items()}
    (directory / "summary.json").write_text(json.dumps({"stages": {**found, **names}}))
    manifest = {
        "recipe": made_with.model_dump(mode="json"),
        "models": {"generate": "m@1", "judge-a": "m@1"},
    }
    (directory / "recipe.json").write_text(json.dumps(manifest))
    return directory
