"""What is too long for every day: left to `make faults`, which sets THROUGHGATE_LONG_FAULTS=1."""

import os
from typing import Final

import pytest

LONG: Final = os.environ.get("THROUGHGATE_LONG_FAULTS") == "1"
by_night: Final = pytest.mark.skipif(not LONG, reason="long: make faults")
