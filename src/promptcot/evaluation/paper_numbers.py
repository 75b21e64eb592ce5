"""The published results of the PromptCoT models and their base models, for comparison with ours.

Nothing here was measured with this code. Accuracies are shares (0.876 for a printed 87.6). Source: X. Zhao et al.,
PromptCoT, arXiv 2503.02324 (2025), mean ± standard deviation over 8 runs; for the base models only the mean is printed.

AIME 2025 has 30 problems, but the public file for the DS models holds the 15 of AIME 2025 I. The table does not say
which version its numbers are for; those of the DS models and their base models are filed under the version of that
file.
"""

from __future__ import annotations

from dataclasses import dataclass

SOURCE = "arXiv 2503.02324, mean ± SD over 8 runs"
"""The source of the numbers, for a caption."""


@dataclass(frozen=True, slots=True)
class Published:
    """One printed accuracy. `sd` is the sample standard deviation over `runs` runs; both are None where not printed."""

    model: str
    benchmark: str
    mean: float
    sd: float | None = None
    runs: int | None = None


_DS_15B, _DS_7B, _QWQ = "PromptCoT-DS-1.5B", "PromptCoT-DS-7B", "PromptCoT-QwQ-32B"
_BASE_15B, _BASE_7B, _BASE_QWQ = "DeepSeek-R1-Distill-Qwen-1.5B", "DeepSeek-R1-Distill-Qwen-7B", "QwQ-32B"

BASES = {_DS_15B: _BASE_15B, _DS_7B: _BASE_7B, _QWQ: _BASE_QWQ}
"""The base model of each model."""

PUBLISHED = (
    Published(_DS_15B, "gsm8k", 0.876, 0.005, 8),
    Published(_DS_15B, "math500", 0.853, 0.011, 8),
    Published(_DS_15B, "aime2024", 0.412, 0.069, 8),
    Published(_DS_15B, "aime2025-i", 0.367, 0.062, 8),
    Published(_DS_7B, "gsm8k", 0.928, 0.005, 8),
    Published(_DS_7B, "math500", 0.937, 0.007, 8),
    Published(_DS_7B, "aime2024", 0.587, 0.031, 8),
    Published(_DS_7B, "aime2025-i", 0.492, 0.079, 8),
    Published(_QWQ, "gsm8k", 0.964, 0.002, 8),
    Published(_QWQ, "math500", 0.967, 0.005, 8),
    Published(_QWQ, "aime2024", 0.838, 0.028, 8),
    Published(_QWQ, "aime2025", 0.754, 0.047, 8),
    Published(_BASE_15B, "math500", 0.839),
    Published(_BASE_15B, "aime2024", 0.289),
    Published(_BASE_15B, "aime2025-i", 0.281),
    Published(_BASE_7B, "math500", 0.928),
    Published(_BASE_7B, "aime2024", 0.555),
    Published(_BASE_7B, "aime2025-i", 0.400),
    Published(_BASE_QWQ, "aime2024", 0.821),
    Published(_BASE_QWQ, "aime2025", 0.708),
)
"""The whole table, row by row."""


def published(model: str, benchmark: str) -> Published | None:
    """The printed accuracy of a model (its name, with or without its owner) on a benchmark, if there is one."""
    name = model.rstrip("/").rpartition("/")[2]
    found = [row for row in PUBLISHED if row.model == name and row.benchmark == benchmark]
    return found[0] if found else None
