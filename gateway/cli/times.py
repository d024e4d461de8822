"""Times as people write them on the command line."""

import re
from datetime import datetime, timedelta
from typing import Final

_AGO: Final = re.compile(r"(\d{1,5})([mhd])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}


def so_long_ago(text: str, now: datetime) -> datetime | None:
    """Return the time that 90m, 12h or 7d before now was; None: it is not written so. Pure."""
    ago = _AGO.fullmatch(text)
    return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])}) if ago else None
