"""The embedded default: the key-encryption key in one text file only its owner can read.

Back it up apart from the store: without it nothing in the store opens again.
"""

import os
from pathlib import Path
from typing import Final

from keys import base64url
from keys.at_rest import KEY_LENGTH, KeyEncryptionKey, RootKey
from keys.problem import BadKey
from keys.providers.secret_file import read_secret, write_secret

PREFIX: Final = "thkek_"


def create(path: Path) -> None:
    """Write a fresh key, mode 0600, whole or not at all, durable on return.

    Args:
        path: Must not exist; its directory must.

    Raises:
        BadKey: ``exists``. A key is never overwritten: that would lose the store.
        OSError: the directory cannot be written.
    """
    write_secret(path, PREFIX + base64url.encode(os.urandom(KEY_LENGTH)))


def load(path: Path) -> KeyEncryptionKey:
    """Read the key.

    Raises:
        BadKey: as `read_secret`, or ``malformed``.
    """
    text = read_secret(path)
    body = text.removeprefix(PREFIX)
    try:
        root = base64url.decode(body)
    except ValueError:
        root = None
    if root is None or body == text:
        raise BadKey("malformed", f"a key file holds {PREFIX} and base64url")
    return RootKey(root)
