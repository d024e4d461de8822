"""Writing figures into a page of the documentation: between marks, dated, with what they were
measured on. Nobody writes there by hand."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench.machine import describe
from bench.problem import NotMeasured

DOCS: Final = Path(__file__).resolve().parents[1] / "docs"
PERFORMANCE: Final = DOCS / "performance.md"


def put(page: Path, section: str, lines: Iterable[str]) -> None:
    """Replace a section's figures.

    Args:
        page: The Markdown page.
        section: Its marks are ``<!-- figures: SECTION -->`` and ``<!-- end: SECTION -->``.
        lines: What goes between.

    Raises:
        NotMeasured: the page has no such section; it is left as it is.
    """
    marks = re.compile(
        rf"(<!-- figures: {re.escape(section)} -->\n).*?(<!-- end: {re.escape(section)} -->)",
        re.DOTALL,
    )
    text = "\n".join([f"Measured on {_today()}: {describe()}.", "", *lines, "", ""])
    new, found = marks.subn(lambda mark: mark[1] + text + mark[2], page.read_text("utf-8"))
    if found != 1:
        raise NotMeasured(f"{page.name} has no place for the figures of {section}")
    page.write_text(new, "utf-8")


def table(lines: Iterable[str]) -> list[str]:
    """Return ``name: value`` lines as a table; what is not one is left out."""
    pairs = [line.split(": ", 1) for line in lines if re.match(r"[a-z0-9_]+: ", line)]
    return [
        "| figure | value |",
        "|---|---:|",
        *(f"| `{name}` | {value} |" for name, value in pairs),
    ]


def _today() -> str:
    return datetime.now(UTC).date().isoformat()
