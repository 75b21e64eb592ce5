"""Statistics of an evaluation: what the graded samples of a benchmark say, and how sure one may be of it.

`sample_counts` keeps the samples in a few bytes each, `estimates` and `at_k` hold the formulas, `summary` puts them
together for one source, and `comparison` sets two sets of predictions side by side; `agreement` and `wilson` serve
verdicts too. Whether an answer is right is decided elsewhere. Nothing here is a percentage: shares and accuracies lie
between 0 and 1, and what has no data is None.
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
