"""The pages of the documentation, taken apart: fenced blocks, links, headings, tables.

What is done with a block is said in a comment on the line above its fence:

``<!-- file: NAME -->``       also write it to NAME in the page's folder
``<!-- background -->``       start it, wait until the gateway is ready, leave it running
``<!-- exit: N -->``          it must end with exit code N
``<!-- output -->``           a text block: exactly what the block before it printed
``<!-- not run: REASON -->``  do nothing with it

Without a comment, ``sh``, ``python`` and ``javascript`` blocks are run and the others checked
(`test_blocks`).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "adapters/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
)

_BLOCK = re.compile(
    r"(?:^<!-- (?P<order>[^\n]*?) -->\n)?^```(?P<language>[^\n]*)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
_LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(?P<text>.+?)\s*$", re.MULTILINE)
_ROW = re.compile(r"^\|(?P<cells>.+)\|$", re.MULTILINE)
_CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block."""

    line: int
    language: str
    order: str  # "file", "background", "exit", "output", "not run", or nothing
    argument: str  # what follows the colon of the order
    text: str


def name_of(page: Path) -> str:
    """Return a page's path from the root, for test ids."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page in order."""
    text = page.read_text("utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        order, _, argument = (match["order"] or "").partition(": ")
        found.append(
            Block(
                line=text.count("\n", 0, match.start()) + 1,
                language=match["language"],
                order=order,
                argument=argument,
                text=match["text"],
            )
        )
    return found


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return _BLOCK.sub("", page.read_text("utf-8"))


def links(page: Path) -> Iterator[str]:
    """Yield the target of every link and picture in the prose."""
    yield from (match["target"] for match in _LINK.finditer(prose(page)))


def anchors(page: Path) -> set[str]:
    """Return the fragment of every heading, as GitHub and mkdocs spell it."""
    return {
        re.sub(r"[^\w\- ]", "", match["text"].lower()).replace(" ", "-")
        for match in _HEADING.finditer(prose(page))
    }


def section(page: Path, heading: str) -> str:
    """Return the prose under one heading, up to the next heading of any level."""
    _, found, rest = prose(page).partition(f"# {heading}\n")
    assert found, f"{name_of(page)} has no heading {heading}"
    return re.split(r"^#+ ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """Return the cells of every table row in a text, heads and rules left out."""
    found = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", match["cells"])]
        for match in _ROW.finditer(text)
    ]
    return [
        cells
        for at, cells in enumerate(found)
        if not _is_rule(cells) and not (at + 1 < len(found) and _is_rule(found[at + 1]))
    ]


def codes(text: str) -> list[str]:
    """Return what stands in code spans, in order."""
    return [code.replace("\\|", "|") for code in _CODE.findall(text)]


def first_codes(text: str) -> list[str]:
    """Return the code spans of the first cell of every table row."""
    return [code for cells in rows(text) for code in codes(cells[0])]


def _is_rule(cells: list[str]) -> bool:
    return all(re.fullmatch(r":?-+:?", cell) for cell in cells)
