"""Where third-party test vectors are found: THROUGHGATE_VECTORS, else ../shared/vectors.

A missing folder skips loudly on a laptop and fails under CI=true, as does a missing server.
"""

import os
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(
    os.environ.get("THROUGHGATE_VECTORS")
    or Path(__file__).resolve().parents[2] / "shared" / "vectors"
)


def missing(what: str) -> NoReturn:
    """Skip on a laptop, fail in CI: nothing is passed over in silence."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing, and CI must not go without it", pytrace=False)
    pytest.skip(f"{what} is missing: its checks did not run")


def vectors(name: str) -> Path:
    """Return a folder or file of the vectors, or skip (fail in CI) when it is not there."""
    path = ROOT / name
    if not path.exists():
        missing(f"test vectors {name}")
    return path


def vector_files(name: str, pattern: str) -> list[Path]:
    """Return matching vector files at collection time; an empty list means the set is missing."""
    return sorted((ROOT / name).rglob(pattern))
