"""Where time, randomness and ids come from. Everything below the shell is handed these."""

from datetime import UTC, datetime

import uuid_utils


def now() -> datetime:
    """Return the time, aware, UTC. Reads the wall clock."""
    return datetime.now(UTC)


def new_id(prefix: str) -> str:
    """Return a fresh id: prefix, underscore, UUIDv7 in 32 hex digits. Reads clock and entropy."""
    return f"{prefix}_{uuid_utils.uuid7().hex}"
