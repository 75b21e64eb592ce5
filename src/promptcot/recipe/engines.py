"""The engines that a recipe may name, and where each is opened: a new one is its file and its line here."""

from __future__ import annotations

from collections.abc import Mapping

from promptcot.recipe import import_path

ENGINES: Mapping[str, str] = {
    "local": "promptcot.engines.local.opening:open_engine",
    "vllm": "promptcot.engines.vllm.opening:open_engine",
    "openai": "promptcot.engines.openai.opening:open_engine",
}
"""Functions `(spec, role, site) -> Engine`, which may be coroutines. One of the user's own is named like these."""

SERVERS: Mapping[str, str] = {"vllm": "promptcot.engines.vllm.opening:open_server"}
"""Engines that are servers themselves, asked directly on a cluster: functions `(spec, role, listen) -> Server`.

The others are put behind a server of ours. The function of a user's own engine may have such a one as its attribute
`open_server`.
"""

AUTO = "auto"


def checked_engine(name: str) -> str:
    """The name, if it is a known engine or names a Python object. Raises ValueError."""
    if ":" in name:
        if not callable(import_path.load(name)):
            raise ValueError(f"{name!r} is not a function that opens an engine")
        return name
    if name in (AUTO, *ENGINES):
        return name
    known = ", ".join(f"'{one}'" for one in (AUTO, *ENGINES))
    raise ValueError(f"Input should be {known}, or MODULE:NAME of an engine of your own")
