"""Hard, correct problems for post-training language models: sampled, written, judged and filtered.

What `__all__` lists is public; everything is imported when it is first used. See docs/api.md.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "api.clean": "clean",
    "api.decontamination": "decontaminate",
    "api.dedup": "dedup",
    "api.export": "ExportResult export",
    "api.measure": "measure",
    "api.new": "init",
    "api.results": "DecontaminateResult EvaluationResult FilterResult GradeResult LabelResult MeasureResult RunResult "
    "SelectResult StageResult",
    "api.runs": "arun evaluate load_recipe load_run merge run",
    "api.select": "select",
    "api.verbs": "ask encode explain extract filter generate grade judge label sample solve",
    "api.verifying": "verify",
    "api.working": "Progress",
    "engines.cluster.scale": "Scale",
    "engines.opening": "Site",
    "engines.protocol": "Engine",
    "engines.scripted": "ScriptedEngine",
    "grading.protocol": "Verifier",
    "errors": "EngineError EngineUnusable InputError LockedError PromptCoTError RecipeError RequestRefused StageFault "
    "RefusedGold StorageError SystematicFailure TransientError UnfitRow UsageError",
    "recipe.recipe": "Recipe",
    "recipe.schema": "Encode Model",
    "pipeline.leftovers": "Leftovers",
    "records": "Completion Drop Dropped Message Request Retry Row Sampling Score derive_seed",
    "stages.protocol": "Stage Step",
    "storage.budget": "BudgetReached",
    "storage.counts": "StageCounts",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    """A public name, imported from its home."""
    if name not in _HOME:
        raise AttributeError(f"module 'promptcot' has no attribute {name!r}")
    found = getattr(importlib.import_module(f"promptcot.{_HOME[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
