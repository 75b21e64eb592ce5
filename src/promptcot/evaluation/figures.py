"""Shared by all plots: the style, the import of matplotlib, and atomic writing as PNG and SVG."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptcot.errors import InputError
from promptcot.storage.atomic import make_parent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLE = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "svg.hashsalt": "promptcot",
    "text.parse_math": False,  # names are data: a dollar sign in one starts no formula
}


def library(hint: str = "") -> Any:
    """The library. Raises InputError if it is not installed; `hint` is an alternative."""
    try:
        import matplotlib.figure
    except ImportError as error:
        raise InputError(f"plots need matplotlib: pip install matplotlib{hint}") from error
    return matplotlib


def save(figure: Figure, target: Path, **options: Any) -> tuple[Path, Path]:
    """Write `target` (without suffix) as PNG and as SVG; each is renamed when complete. `options` are those of
    `savefig`."""
    make_parent(target)
    png, svg = (target.with_name(target.name + suffix) for suffix in (".png", ".svg"))
    for path, own in ((png, {"dpi": 160}), (svg, {"metadata": {"Date": None}})):
        partial = path.with_name(path.name + ".partial")
        figure.savefig(partial, format=path.suffix[1:], **own, **options)
        partial.replace(path)
    return png, svg
