"""Times as the database holds them: integer milliseconds since 1970, UTC."""

from datetime import UTC, datetime


def milliseconds(moment: datetime) -> int:
    """Return an aware time as stored."""
    return int(moment.timestamp() * 1000)


def moment(stored: int) -> datetime:
    """Return a stored time, aware, UTC."""
    return datetime.fromtimestamp(stored / 1000, UTC)
