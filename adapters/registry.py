"""Which agency formats are installed: entry points of the group ``throughgate.adapters``."""

from collections.abc import Mapping
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Final

from adapters.contract import Adapter

GROUP: Final = "throughgate.adapters"


class UnusableAdapter(Exception):
    """An installed adapter is not what its entry point says. The text names it and the fault."""


def find_adapters() -> Mapping[str, Adapter]:
    """Import every installed adapter and return them by name, sorted.

    Raises:
        UnusableAdapter: two of one name, one under another name than its own, one that is no
            `Adapter`, or one that neither reads nor writes. What importing an adapter raises
            comes through.

    Reads the metadata of installed packages; call once, at start.
    """
    found: dict[str, Adapter] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        if entry.name in found:
            raise UnusableAdapter(f"two installed adapters are called {entry.name}")
        adapter = entry.load()
        if not isinstance(adapter, Adapter):
            raise UnusableAdapter(f"{entry.name} is not an adapters.contract.Adapter")
        if adapter.name != entry.name:
            raise UnusableAdapter(f"{entry.name} gives another name for itself")
        if adapter.inbound is None and not adapter.outbound:
            raise UnusableAdapter(f"{entry.name} neither reads nor writes")
        found[entry.name] = adapter
    return MappingProxyType(found)
