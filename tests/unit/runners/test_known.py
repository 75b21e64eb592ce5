"""Which reply in a journal is the reply to a request."""

from dataclasses import replace
from pathlib import Path

import pytest

from promptcot.records import Completion, Request, Sampling
from promptcot.runners.known import known
from promptcot.storage.journal import Journal

BEFORE = Request(prompt="Rate it.", seed=3)
NOW = replace(BEFORE, prompt="Rate it, with marks.", earlier=BEFORE)


def found(folder: Path, request: Request, *calls: tuple[Request, Completion]) -> object:
    with Journal(folder) as journal:
        for asked, reply in calls:
            journal.append(asked.key("m"), asked, reply)
    with Journal(folder) as journal:
        return known(journal, request, "m")


def test_how_a_request_was_asked_before_is_no_part_of_its_key() -> None:
    assert NOW.key("m") == replace(NOW, earlier=None).key("m") != BEFORE.key("m")


def test_a_reply_to_the_request_as_earlier_versions_asked_it_is_used(tmp_path: Path) -> None:
    assert found(tmp_path, NOW, (BEFORE, Completion("old"))) == Completion("old")
    assert found(tmp_path, replace(NOW, earlier=None)) is None


def test_the_reply_to_the_request_of_today_comes_first(tmp_path: Path) -> None:
    assert found(tmp_path, NOW, (NOW, Completion("new")), (BEFORE, Completion("old"))) == Completion("new")


@pytest.mark.parametrize("asked", [BEFORE, NOW])
def test_a_reply_that_was_cut_off_at_another_limit_is_asked_again(tmp_path: Path, asked: Request) -> None:
    longer = Sampling(max_tokens=9)
    request = replace(NOW, sampling=longer, earlier=replace(BEFORE, sampling=longer))
    assert found(tmp_path, request, (asked, Completion("cut", "length"))) == "truncated at another limit"
