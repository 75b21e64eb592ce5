"""Take the pictures of a report for the docs: `python docs/plots/make.py RUN [--program /usr/bin/chromium]`.

Needs Playwright and a Chromium (`make test-browser` installs both). It writes a new report of the run.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.sync_api import sync_playwright

from promptcot.report.writing import write_report

HERE = Path(__file__).parent
PICTURES = [("report.png", 1280, 1000, "light", 0), ("report-phone.png", 390, 844, "dark", 0)]
"""File, width and height of the window, colour scheme, and how far the page is scrolled."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--program", default=shutil.which("chromium") or shutil.which("google-chrome"))
    given = parser.parse_args()
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        page = write_report(given.run, Path(folder) / "report.html")
        browser = playwright.chromium.launch(executable_path=given.program, args=["--no-sandbox", "--disable-gpu"])
        for picture in PICTURES:
            take(browser, page, *picture)
        browser.close()


def take(browser: Any, page: Path, name: str, width: int, height: int, scheme: str, top: int) -> None:
    """One picture of a page."""
    window = {"width": width, "height": height}
    shown = browser.new_page(viewport=window, color_scheme=scheme, device_scale_factor=1.5 if width < 500 else 1)
    shown.goto(page.as_uri())
    shown.mouse.wheel(0, top)
    shown.screenshot(path=str(HERE / name))


if __name__ == "__main__":
    main()
