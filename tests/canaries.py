"""Marks of a synthetic person that must appear nowhere in plain sight.

Every test posts about this person or the demonstration's. After each test, what it printed or
logged and every file of every instance it made are searched for the marks.
"""

from collections.abc import Iterator
from pathlib import Path

from gateway.demo.events import CANARIES as STORY
from gateway.instance import CONFIG_NAME

NAME = "Canaryname-Quillfeather"
NOMS = "Z7777ZZ"
NHS_NUMBER = "9990000026"
PNC = "2001/0000101Z"
MARKS = (NAME, NOMS, NHS_NUMBER, PNC, "0000101Z", *STORY)


def found_in(text: str) -> list[str]:
    """Return the marks a text shows."""
    return [mark for mark in MARKS if mark in text]


def leaks(folder: Path) -> Iterator[str]:
    """Yield "file: mark" for every mark in plain sight in an instance anywhere below a folder."""
    for config in folder.rglob(CONFIG_NAME):
        for path in config.parent.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                yield from (f"{path.name}: {mark}" for mark in MARKS if mark.encode() in content)
