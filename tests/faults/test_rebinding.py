"""F18: a name that answers with an address of the internet first, and with one inside later.

The look-ups are the system's own, over a real name server, in a network of their own.
"""

import json
import subprocess
import sys

import pytest

from tests.faults.private_network import EXCHANGES, INSIDE, PUBLIC
from tests.support.servers import require

_APART = ["unshare", "--map-root-user", "--mount", "--net"]


@pytest.mark.faults
def test_a_name_that_turns_inward_is_never_followed() -> None:
    require("unshare", "util-linux")
    require("ip", "iproute2")
    if subprocess.run([*_APART, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this kernel lets nobody have a network of their own")
    run = subprocess.run(
        [*_APART, sys.executable, "-m", "tests.faults.private_network"],
        check=True,
        capture_output=True,
        timeout=60,
    )
    found = json.loads(run.stdout)
    came = [outcome for _, outcome in found["came"]]
    assert [name for name, _ in found["came"]] == list(EXCHANGES)
    assert came == [
        204,  # steady
        204,  # rebound: as it was at first
        "address-refused",  # and inward
        204,  # flipping: out
        "address-refused",  # the host's metadata
        204,  # out again
        "address-refused",  # a private network
        204,  # mixed: by the one address that may be used
        "address-refused",  # inside from the first
        204,  # steady: nobody else is affected
    ]
    assert found["connected"] == {PUBLIC: 6}
    assert not set(INSIDE) & set(found["connected"])
