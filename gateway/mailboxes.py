"""Whose mailbox a certificate is for."""

from gateway.model.keyring import RecipientKey
from keys.certificates import rfc822_names, same_address


def is_for(key: RecipientKey, address: str) -> bool:
    """Return whether a recipient's certificate was issued for a mailbox. Pure.

    Raises:
        BadKey: it cannot be parsed.
    """
    return any(same_address(name, address) for name in rfc822_names(key.public))
