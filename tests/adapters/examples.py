"""The golden files of the project's own adapters: docs/examples/adapters/ADAPTER/, each kept as
`gateway.testing.golden` says, and shown in the docs.

``python -m tests.adapters.examples [MODULE...]`` writes the right-hand side anew, of every adapter
installed or of those modules: read the difference before you keep it.
"""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from adapters.registry import find_adapters
from gateway.testing import golden
from gateway.testing.golden import SOURCE, Example, events_text, file_of, rendered

__all__ = [
    "FOLDER", "SOURCE", "Example", "events_text", "file_of", "inbound_of", "outbound_of",
    "rendered",
]  # fmt: skip

FOLDER = Path(__file__).parents[2] / "docs" / "examples" / "adapters"


def inbound_of(name: str) -> list[Example]:
    """Return an adapter's examples of what it reads."""
    return golden.inbound_of(FOLDER / name)


def outbound_of(name: str) -> list[Example]:
    """Return an adapter's examples of what it writes."""
    return golden.outbound_of(FOLDER / name)


def _write(modules: list[str]) -> Iterator[Path]:
    named = [import_module(module).ADAPTER for module in modules]
    for adapter in named or find_adapters().values():
        yield from golden.write(adapter, FOLDER / adapter.name)


if __name__ == "__main__":
    for written in _write(sys.argv[1:]):
        print(written.relative_to(FOLDER))
