"""The options of a benchmark. All of them accept `--smallest`: they then really run, within seconds.

A benchmark names its sizes as options, and says here what they are at the smallest size. At that size the numbers mean
nothing, so a benchmark fails only if a result is wrong at any size. The tests run each of them like this.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence


class Options(argparse.ArgumentParser):
    """Options with the smallest value of each size, by name; other options keep their defaults."""

    def __init__(self, description: str | None, **smallest: object) -> None:
        super().__init__(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
        self._smallest = smallest
        self.add_argument("--smallest", action="store_true", help="run through at the smallest size, judge no numbers")

    def parse_args(self, args: Sequence[str] | None = None) -> argparse.Namespace:  # type: ignore[override]
        chosen = super().parse_args(args)
        if chosen.smallest:
            self.set_defaults(**self._smallest)
            chosen = super().parse_args(args)
        return chosen


def verdict(chosen: argparse.Namespace, met: bool, right: bool = True) -> int:
    """The exit code: 0 if all is `right` and the targets are `met`, which is not asked at the smallest size."""
    if chosen.smallest and right:
        print("ran through; no target is for the smallest size")
        return 0
    good = met and right
    print("PASS" if good else "MISS")
    return 0 if good else 1
