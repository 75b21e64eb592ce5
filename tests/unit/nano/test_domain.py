"""The domain `nano`: what its solver says of ill-posed problems, and what its verifier is asked and answers."""

import re

import pytest

from promptcot import domains
from promptcot.core.parsing.refusals import refusal
from promptcot.nano.families import FAMILIES
from promptcot.recipe.loading import load
from promptcot.records import Completion, Drop, Sampling
from promptcot.stages.verify import Verify

PROBLEM = "Find the geometric mean of 4 and 9."
VALID = "Terms Defined: yes\nConditions Consistent: yes\nSingle Question: yes\nFinal Verdict: valid"
INVALID = "Terms Defined: yes\nConditions Consistent: no\nSingle Question: yes\nFinal Verdict: invalid"


@pytest.mark.parametrize("wording", [wording for family in FAMILIES for wording in family.wordings])
def test_the_refusal_of_the_solver_counts_for_every_wording(wording: str) -> None:
    problem = f"Let A be {re.sub(r'{.}', '6', wording)}. What is {re.sub(r'{.}', 'A', wording)}?"
    assert refusal("There is no such number.", None, problem, domains.settings("nano").refusals) == "no answer exists"


def voting(*replies: str) -> list[dict[str, object]] | Drop:
    stage = Verify("verifier", domains.load("nano"), Sampling(), 1, votes=range(len(replies)), min_share=0.6)
    row = {"id": "1", "problem": PROBLEM}
    (prompt,) = {request.prompt for request in stage.ask(row)}
    assert prompt == f"{PROBLEM}\nVerdict:\n"
    made = stage.read(row, [Completion(f"1: 4*9=36; 6*6=36.\n{reply}", "stop", 10, 20) for reply in replies])
    return made if isinstance(made, Drop) else list(made)


def test_the_verifier_sees_the_problem_alone_and_its_votes_decide() -> None:
    kept = voting(VALID, INVALID, VALID)
    assert not isinstance(kept, Drop)
    assert kept[0]["validity"]["verdict"] == "valid"  # type: ignore[index]
    dropped = voting(VALID, INVALID, INVALID)
    assert isinstance(dropped, Drop)
    assert dropped.reason == "invalid: Conditions Consistent"


def test_the_shipped_recipe_verifies_with_the_embedded_verifier() -> None:
    verify = load("nano").verify
    assert verify is not None
    assert (verify.model, verify.votes) == ("nano:verifier", 3)
