"""Charts as inline SVG: bars, intervals, histograms, and a field of squares.

Decides shapes only. Colours are classes of the stylesheet and differ in lightness, so that a chart can be read on a
dark screen and on grey paper. Each chart has a title for screen readers. Bars and intervals are in table cells and
stretch with them; the other charts are 340 units wide, so that their labels can be read on a phone.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from promptcot.printable import printable

WIDTH = 340
_SQUARES = 4_000
"""A field with more squares cannot be read at a glance."""


def bar(share: float, name: str, *, soft: float = 0.0) -> Markup:
    """A horizontal bar for a share of 0 to 1, and behind it a lighter one up to `soft`."""
    behind = (
        Markup('<rect class="bar-soft" width="{}" height="10"/>').format(_units(soft)) if soft > share else Markup("")
    )
    front = Markup('<rect class="bar" width="{}" height="10"/>').format(_units(share))
    field = Markup('<rect class="bar-faint" width="100" height="10"/>')
    return _cell("bar-chart", name, field + behind + front)


def interval(
    middle: float | None,
    between: tuple[float, float] | None,
    name: str,
    *,
    ends: tuple[float, float] = (0.0, 1.0),
    zero: bool = False,
) -> Markup:
    """A dot for a value, and a line for its interval, on a scale between `ends`; with `zero` a mark at 0."""
    low, high = ends

    def place(value: float) -> str:
        return _units((min(max(value, low), high) - low) / ((high - low) or 1))

    parts = [Markup('<path class="line" d="M0 5H100" vector-effect="non-scaling-stroke"/>')]
    if zero and low < 0 < high:
        parts.append(_stroke("whisker", f"M{place(0)} 0V10"))
    if between is not None:
        parts.append(_stroke("span", f"M{place(between[0])} 5H{place(between[1])}"))
    if middle is not None:
        parts.append(_stroke("point", f"M{place(middle)} 5h0"))
    return _cell("interval-chart", name, Markup("").join(parts))


def histogram(counts: Sequence[int], edges: Sequence[str], name: str, about: str) -> Markup:
    """Upright bars with their counts above, where they are not 0, and the `edges` of their spans below, one more."""
    most = max(counts, default=0) or 1
    step = WIDTH / max(len(counts), 1)
    parts = [Markup('<path class="line" d="M0 122H340"/>')]
    for place, count in enumerate(counts):
        height, left = 100 * count / most, place * step
        if count:
            box = Markup('<rect class="bar" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>')
            parts.append(box.format(left + 2, 122 - height, step - 4, height))
            parts.append(_word(f"{count:,}", left + step / 2, 117 - height, "small"))
    for place, edge in enumerate(edges):
        anchor = "start" if place == 0 else "end" if place == len(counts) else "middle"
        parts.append(_word(edge, place * step, 136, "small soft", anchor))
    return _chart(142, name, about, Markup("").join(parts))


def squares(counts: Sequence[int], known: int | None, name: str, about: str) -> Markup | None:
    """A square for each of the `known` things, darker the more often it is used; those never used are empty.

    None where there are more than can be seen.
    """
    total = max(known or 0, len(counts))
    if not 0 < total <= _SQUARES:
        return None
    across = max(12, min(68, round((total * 2.6) ** 0.5)))
    size = WIDTH / across
    most = max(counts, default=1)
    shades: dict[str, list[str]] = {"bar": [], "bar-mid": [], "bar-soft": [], "empty": []}
    for place in range(total):
        x, y = place % across * size, place // across * size
        shade = _shade(counts[place] / most) if place < len(counts) else "empty"
        edge = size - max(1.0, size * 0.14)
        shades[shade].append(f"M{x:.1f} {y:.1f}h{edge:.1f}v{edge:.1f}h-{edge:.1f}z")
    drawn = (Markup('<path class="{}" d="{}"/>').format(kind, "".join(d)) for kind, d in shades.items() if d)
    return _chart(-(-total // across) * size, name, about, Markup("").join(drawn))


def _shade(share: float) -> str:
    return "bar" if share > 0.5 else "bar-mid" if share > 0.2 else "bar-soft"


def _stroke(kind: str, path: str) -> Markup:
    return Markup('<path class="{}" d="{}" vector-effect="non-scaling-stroke"/>').format(kind, path)


def _cell(kind: str, name: str, inner: Markup) -> Markup:
    start = Markup('<svg class="{}" viewBox="0 0 100 10" preserveAspectRatio="none" role="img">').format(kind)
    return start + Markup("<title>{}</title>{}</svg>").format(printable(name), inner)


def _chart(height: float, name: str, about: str, inner: Markup) -> Markup:
    start = Markup('<svg class="chart" viewBox="0 0 {} {:.1f}" role="img">').format(WIDTH, height)
    words = Markup("<title>{}</title><desc>{}</desc>").format(printable(name), printable(about))
    return start + words + inner + Markup("</svg>")


def _word(text: str, x: float, y: float, kind: str, anchor: str = "middle") -> Markup:
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(
        kind, x, y, anchor, printable(text)
    )


def _units(share: float) -> str:
    return f"{100 * min(max(share, 0.0), 1.0):.2f}".rstrip("0").rstrip(".")
