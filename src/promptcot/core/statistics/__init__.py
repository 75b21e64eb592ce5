"""Statistics of an evaluation: estimates from the graded samples of a benchmark, with their uncertainty.

`sample_counts` stores the samples in a few bytes each, `estimates` and `at_k` have the formulas, `summary` combines
them for one source, and `comparison` compares two sets of predictions; `agreement` and `wilson` are used for verdicts
too. Grading happens elsewhere. Shares and accuracies are between 0 and 1, not percentages, and values without
data are None.
"""

from promptcot.core.statistics.at_k import AtK, majority_at_k, majority_at_k_sampled, pass_at_k
from promptcot.core.statistics.comparison import Comparison, compare
from promptcot.core.statistics.estimates import Estimate, Runs, estimate, run_accuracies, student_t_quantile
from promptcot.core.statistics.sample_counts import Joined, Sample, SourceTally, Table, Tallies
from promptcot.core.statistics.summary import Share, Summary, default_ks, summarize

__all__ = [
    "AtK",
    "Comparison",
    "Estimate",
    "Joined",
    "Runs",
    "Sample",
    "Share",
    "SourceTally",
    "Summary",
    "Table",
    "Tallies",
    "compare",
    "default_ks",
    "estimate",
    "majority_at_k",
    "majority_at_k_sampled",
    "pass_at_k",
    "run_accuracies",
    "student_t_quantile",
    "summarize",
]
