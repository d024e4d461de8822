"""The least TLS any channel accepts. There is no mode without it."""

import ssl


def verifying_context(context: ssl.SSLContext | None) -> ssl.SSLContext:
    """Return the context, or one with the system's certificate store and TLS 1.2 as the floor.

    Raises:
        ValueError: the context would accept an unknown certificate, another name, or TLS 1.1.
    """
    if context is None:
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
    if context.verify_mode is not ssl.CERT_REQUIRED or not context.check_hostname:
        raise ValueError("the TLS context must check certificates and names")
    if context.minimum_version < ssl.TLSVersion.TLSv1_2:
        raise ValueError("the TLS context must refuse TLS below 1.2")
    return context
