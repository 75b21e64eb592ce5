"""The engines that a recipe may name, and the function that opens each. A new engine needs a file and a line here."""

from __future__ import annotations

from collections.abc import Mapping

from promptcot.recipe import import_path

ENGINES: Mapping[str, str] = {
    "local": "promptcot.engines.local.opening:open_engine",
    "vllm": "promptcot.engines.vllm.opening:open_engine",
    "openai": "promptcot.engines.openai.opening:open_engine",
}
"""Functions `(spec, role, site) -> Engine`, which may be coroutines. Custom engines are named in the same way."""

SERVERS: Mapping[str, str] = {"vllm": "promptcot.engines.vllm.opening:open_server"}
"""Engines that are servers themselves and are called directly on a cluster: functions `(spec, role, listen) -> Server`.

Other engines are put behind a server of ours. The function of a custom engine may have such a function as its
attribute `open_server`.
"""

AUTO = "auto"


def checked_engine(name: str) -> str:
    """The name, if it is a known engine or the path of a Python object. Raises ValueError."""
    if ":" in name:
        if not callable(import_path.load(name)):
            raise ValueError(f"{name!r} is not a function that opens an engine")
        return name
    if name in (AUTO, *ENGINES):
        return name
    known = ", ".join(f"'{one}'" for one in (AUTO, *ENGINES))
    raise ValueError(f"Input should be {known}, or MODULE:NAME of a custom engine")
