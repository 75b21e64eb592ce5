"""Settings of all tests: no network access to model hubs, no threads across a fork, cached bytecode, and reproducible
property tests.

`HYPOTHESIS_PROFILE=explore` draws new examples at every run; the default draws the same ones everywhere.
"""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest
from hypothesis import settings

from promptcot import redaction

os.environ["HF_HUB_OFFLINE"] = "1"
# Programs that tests start would compile thousands of modules each time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ["TOKENIZERS_PARALLELISM"] = "false"

# In the background of a shell script Ctrl-C is ignored, under nohup SIGHUP, and both would be by the programs that
# tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("explore", derandomize=False, deadline=None, max_examples=1000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


@pytest.fixture(autouse=True)
def secrets_of_one_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test calls a secret is none in the next."""
    monkeypatch.setattr(redaction, "_remembered", set())


# The whole of a file marked so needs packages that `make test` does without: importing it would fail.
ENGINES_ONLY = re.compile(r"^pytestmark = .*\bpytest\.mark\.engines\b", re.MULTILINE)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out files that are for the engines alone when those are not asked for."""
    if collection_path.suffix != ".py" or "not engines" not in config.option.markexpr:
        return None
    return True if ENGINES_ONLY.search(collection_path.read_text("utf-8")) else None
