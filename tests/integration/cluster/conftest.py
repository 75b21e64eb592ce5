"""The cluster that all tests here share: it takes ten seconds to start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.ray.clusters import SETTINGS, Nodes


@pytest.fixture(scope="session")
def nodes() -> Iterator[Nodes]:
    with pytest.MonkeyPatch.context() as changed:
        for name, value in SETTINGS.items():
            changed.setenv(name, value)
        found = Nodes()
        yield found
        found.end()
