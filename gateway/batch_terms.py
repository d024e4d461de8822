"""How many alerts a webhook endpoint says it takes in one post. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from gateway.model.party import ChannelName

MOST_TOGETHER: Final = 500
DEFAULT_BYTES: Final = 1_000_000
_LEAST_BYTES: Final = 100_000  # room for a few alerts of the longest that are posted whole
_MOST_BYTES: Final = 4_000_000


def batch_terms(channel: ChannelName, item: Mapping[str, Any]) -> tuple[int, int]:
    """Return the most alerts in one post, 1 for none together, and the most bytes.

    Args:
        channel: The endpoint's.
        item: Its entry, checked for ``batches`` and ``batch_bytes``.

    Raises:
        ValueError: one is out of range, or the endpoint is no webhook.
    """
    if channel != "webhook" and not {"batches", "batch_bytes"}.isdisjoint(item):
        raise ValueError("batches, batch_bytes: of a webhook alone")
    return (
        _whole(item, "batches", 1, 1, MOST_TOGETHER),
        _whole(item, "batch_bytes", DEFAULT_BYTES, _LEAST_BYTES, _MOST_BYTES),
    )


def _whole(item: Mapping[str, Any], name: str, default: int, least: int, most: int) -> int:
    text = str(item.get(name, default))
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise ValueError(f"{name}: {least} to {most}")
    return int(text)
