"""Templates in which everything is escaped, and the stylesheet with the hash by which a page allows it.

A page of ours has no script and loads nothing: its Content-Security-Policy allows one stylesheet, by the hash of its
text, and nothing else (https://www.w3.org/TR/CSP3/).
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader
from markupsafe import Markup

from promptcot.printable import printable


def _finalized(value: Any) -> Any:
    """Text of others without what turns the direction of writing; what is HTML already stays."""
    return printable(value) if type(value) is str else value


@cache
def environment(*rooms: str) -> Environment:
    """The templates of these rooms of the package, and those of `pages`. Nothing is left unescaped, whatever a file is
    called.
    """
    loaders = [PackageLoader("promptcot", room) for room in (*rooms, "pages")]
    return Environment(
        loader=ChoiceLoader(loaders), autoescape=True, finalize=_finalized, trim_blocks=True, lstrip_blocks=True
    )


@cache
def stylesheet() -> str:
    """The text of the stylesheet, for within `<style>`."""
    return (files("promptcot.pages") / "styles.css").read_text(encoding="utf-8")


def style_values(more: str = "") -> dict[str, Any]:
    """The stylesheet of a page, with `more` rules: `style`, and `style_hash` for the policy."""
    style = stylesheet() + more
    digest = hashlib.sha256(style.encode()).digest()
    return {"style": Markup(style), "style_hash": f"sha256-{base64.b64encode(digest).decode()}"}
