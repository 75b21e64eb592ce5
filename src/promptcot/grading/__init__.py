"""Decides whether an answer is right: verifiers, and the grader that runs them.

`Verifier` is the protocol, `verifiers` has the shipped ones, and a `Grader` runs one, in worker processes that can be
killed if a call takes too long. `promptcot.core.answers` decides everything that needs no algebra, in the caller's
process.
"""

from promptcot.grading.grader import Grader
from promptcot.grading.graders import Graders
from promptcot.grading.protocol import Grade, Verifier

__all__ = ["Grade", "Grader", "Graders", "Verifier"]
