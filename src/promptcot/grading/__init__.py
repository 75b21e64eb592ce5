"""Whether an answer is right: verifiers, and how one is run.

`Verifier` says what is decided, `verifiers` has those that ship, and a `Grader` asks one, in worker processes that can
be killed where that may take long. What needs no algebra is decided in `promptcot.core.answers`, where it is called.
"""

from promptcot.grading.grader import Grader
from promptcot.grading.graders import Graders
from promptcot.grading.protocol import Grade, Verifier

__all__ = ["Grade", "Grader", "Graders", "Verifier"]
