"""Templates in which everything is escaped, and the stylesheet with the hash by which a page allows it.

Pages have no script and load nothing: their Content-Security-Policy allows one stylesheet, by the hash of its text,
and nothing else (https://www.w3.org/TR/CSP3/).
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader
from markupsafe import Markup

from promptcot.core.units import percent
from promptcot.printable import printable, quoted

LONGEST_NAME = 200
"""The most characters that a page shows of a name: a level, a judge, a concept or an id."""


def _finalized(value: Any) -> Any:
    """Text without control characters and characters that change the writing direction; markup stays as it is."""
    return printable(value) if type(value) is str else value


@cache
def environment(*rooms: str) -> Environment:
    """The templates of these packages and of `pages`. Everything is escaped, whatever the name of the template.

    The filter `name` puts a text on one line and cuts it; `percent` formats a share.
    """
    loaders = [PackageLoader("promptcot", room) for room in (*rooms, "pages")]
    made = Environment(
        loader=ChoiceLoader(loaders), autoescape=True, finalize=_finalized, trim_blocks=True, lstrip_blocks=True
    )
    made.filters |= {"name": _name, "percent": percent}
    return made


def _name(value: Any) -> str:
    return quoted(str(value), LONGEST_NAME)


@cache
def stylesheet() -> str:
    """The text of the stylesheet, for within `<style>`."""
    return (files("promptcot.pages") / "styles.css").read_text(encoding="utf-8")


def style_values(more: str = "") -> dict[str, Any]:
    """The stylesheet of a page, with `more` rules: `style`, and `style_hash` for the policy."""
    style = stylesheet() + more
    digest = hashlib.sha256(style.encode()).digest()
    return {"style": Markup(style), "style_hash": f"sha256-{base64.b64encode(digest).decode()}"}
