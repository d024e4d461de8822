"""How many examples a property is tried with: fewer while working, all of them every night."""

import os

WHOLE = os.environ.get("THROUGHGATE_EXAMPLES") == "whole"


def examples(whole: int) -> int:
    """Return how many of so many are tried here: a third, unless `make nightly` asks for all."""
    return whole if WHOLE else max(10, whole // 3)
