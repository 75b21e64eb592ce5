"""The cluster that all tests here share: it takes ten seconds to start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.cluster.clusters import SETTINGS, Nodes


@pytest.fixture(scope="session", autouse=True)
def settings() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as changed:
        for name, value in SETTINGS.items():
            changed.setenv(name, value)
        yield


@pytest.fixture(scope="session")
def nodes(settings: None) -> Iterator[Nodes]:
    found = Nodes()
    yield found
    found.end()
