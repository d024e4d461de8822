"""Programs the tests start for real: where they are, or why a test does not run."""

import os
import shutil

import pytest


def require(program: str, package: str) -> str:
    """Return the path of a program; without it, fail under CI=true and skip loudly elsewhere.

    Args:
        program: As found on the path, or under /usr/sbin.
        package: The Debian package that brings it.
    """
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if found:
        return found
    text = f"{program} is missing: sudo apt-get install {package}"
    if os.environ.get("CI") == "true":
        pytest.fail(text)
    pytest.skip(text)
