"""The demonstration as a user runs it: it serves on when asked, and cleans up when told to stop."""

import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import pytest


def test_serve_leaves_the_gateway_running_until_it_is_told_to_stop() -> None:
    command = [sys.executable, "-m", "gateway", "demo", "--serve"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    with process.stdout:
        url = next(
            found[1]
            for line in process.stdout
            if (found := re.search(r"Serving at (http://[\d.:]+\d)", line))
        )
        with urllib.request.urlopen(f"{url}/health/ready", timeout=5) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{url}/health/ready", timeout=2)
