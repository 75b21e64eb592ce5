"""The same commands write the same bytes as an earlier version: see `tests/golden`.

Where a change of files or words is meant, `python -m tests.golden.make NAME` makes the golden ones again; the
difference then shows in the change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import pytest

from tests.golden.cases import CASES
from tests.golden.replay import Case, Edit, Replay, golden_of, grown, replay, serving

Replays = Callable[[str], Replay]

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replays]:
    """Runs a case, once for all tests."""
    with serving() as servers:
        yield cache(lambda name: replay(_named(name), tmp_path_factory.mktemp(name), servers))


def _named(name: str) -> Case:
    [case] = [case for case in CASES if case.name == name]
    return case


def shown(content: bytes) -> str:
    """The content as text, byte for byte, so that a difference can be read."""
    return content.decode(errors="surrogateescape")


@every_case
def test_files_and_exit_codes_are_those_of_before(case: Case, replayed: Replays) -> None:
    found, golden = replayed(case.name), golden_of(case)
    assert found.codes == golden.codes
    assert found.names.splitlines() == golden.names.splitlines()
    assert found.files.keys() == golden.files.keys()
    for name, content in golden.files.items():
        assert shown(found.files[name]) == shown(content), f"{case.name}: {name} is another file than before"


@every_case
def test_what_is_printed_is_what_was_printed_before(case: Case, replayed: Replays) -> None:
    assert replayed(case.name).printed == golden_of(case).printed


whole_journals = [case for case in CASES if case.journals and not any(isinstance(step, Edit) for step in case.steps)]


@pytest.mark.parametrize("case", whole_journals, ids=lambda case: case.name)
def test_calls_of_an_earlier_version_are_reused(case: Case, replayed: Replays) -> None:
    assert grown(replayed(case.name).files) == []
