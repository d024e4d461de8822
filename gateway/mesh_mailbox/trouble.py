"""What goes wrong with MESH, by code: never the far side's words, never what was sent."""

import ssl
from datetime import timedelta

from aiohttp import (
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientError,
    ConnectionTimeoutError,
)

from gateway.channels.addresses import BadAddress
from gateway.channels.outbound import AddressRefused


class MeshTrouble(Exception):
    """It did not work, this time. `code` is for logs and outcomes: ``mesh-503``, ``timeout``."""

    def __init__(
        self, code: str, *, after: timedelta | None = None, outcome_unknown: bool = False
    ) -> None:
        self.code = code
        self.after = after  # how long MESH asks us to wait
        self.outcome_unknown = outcome_unknown  # MESH may have done what was asked
        super().__init__(code)


class MeshRefusal(MeshTrouble):
    """MESH would refuse the same again."""


class MeshGone(MeshTrouble):
    """No such message, mailbox or route; or no longer."""

    def __init__(self, code: str, *, status: int) -> None:
        self.status = status  # 404 or 410
        super().__init__(code)


class MeshUnreadable(MeshTrouble):
    """A message lies there whose content cannot be had whole, or is longer than is taken."""


def trouble_of(error: Exception) -> MeshTrouble:
    """Return what an exception of the connection comes to. Pure."""
    for kind, code, unknown in _CODES:
        if isinstance(error, kind):
            return MeshTrouble(code, outcome_unknown=unknown)
    # Not the far side's doing. The class names the fault; its message might name the address.
    return MeshTrouble(f"fault-{type(error).__name__}", outcome_unknown=True)


# The first that fits. Up to a connection that stands, surely nothing has left.
_CODES: tuple[tuple[type[Exception], str, bool], ...] = (
    (BadAddress, "address-refused", False),
    (AddressRefused, "address-refused", False),
    (ConnectionTimeoutError, "timeout", False),
    (ssl.SSLError, "tls", False),
    (ssl.CertificateError, "tls", False),
    (ClientConnectorDNSError, "dns", False),
    (ClientConnectorError, "connect", False),
    (TimeoutError, "timeout", True),
    (OSError, "connection-lost", True),
    (ClientError, "connection-lost", True),
)
