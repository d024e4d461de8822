"""Secrets of the instance's own, wrapped like a person's data key: first of all the root, which
every digest and link token hangs on. A rotation of the key-encryption key changes none of them."""

import os
from typing import Final

from gateway.store.engine import Connection
from gateway.store.sealed import SealedStore
from gateway.store.sqlite import StoreUnavailable
from keys.at_rest import KEY_LENGTH, KeyEncryptionKey
from keys.problem import CannotOpen

ROOT: Final = "root"

_KEY_CHECK: Final = "SELECT value FROM setting WHERE name = 'key-check'"


def context(name: str) -> bytes:
    """Bind a wrapped secret to its row."""
    return b"own-secret:" + name.encode()


def secret(connection: Connection, kek: KeyEncryptionKey, name: str) -> bytes | None:
    """Return a secret of 32 bytes; None if there is none of that name. Reads only.

    Raises:
        KeyProblem: it does not unwrap.
    """
    row = connection.execute("SELECT wrapped FROM own_secret WHERE name = ?", (name,)).fetchone()
    return kek.unwrap(row[0], context(name)) if row else None


def make(connection: Connection, kek: KeyEncryptionKey, name: str) -> None:
    """Make a secret of 32 random bytes, unless there is one of that name. Writes."""
    wrapped = kek.wrap(os.urandom(KEY_LENGTH), context(name))
    connection.execute(
        "INSERT INTO own_secret (name, wrapped) VALUES (?, ?) ON CONFLICT DO NOTHING",
        (name, wrapped),
    )


def open_sealed(connection: Connection, kek: KeyEncryptionKey) -> SealedStore:
    """Return the sealed store of a database that was served before. Reads only.

    Raises:
        StoreUnavailable: ``wrong-key``: another key-encryption key; ``no-root``.
        KeyProblem: where the key lives cannot or will not unwrap.
    """
    try:
        root = secret(connection, kek, ROOT)
    except CannotOpen:
        raise StoreUnavailable("wrong-key", _WRONG) from None
    if root is None:
        raise StoreUnavailable("no-root", "this database has no root secret; restore a copy")
    return SealedStore(kek, root)


def open_or_found(writer: Connection, kek: KeyEncryptionKey) -> SealedStore:
    """Return the sealed store of a database; make its root secret if it was never used. Commits.

    Raises:
        As `open_sealed`: what another key wrote would match nothing here, and a root made anew
        beside old rows would find none of them.
    """
    if writer.execute(_KEY_CHECK).get is None:
        with writer:
            make(writer, kek, ROOT)
            mark = open_sealed(writer, kek).mac("key-check").hex()
            writer.execute(
                "INSERT INTO setting (name, value) VALUES ('key-check', ?), ('kek', ?)"
                " ON CONFLICT DO NOTHING",
                (mark, kek.id),
            )
    sealed = open_sealed(writer, kek)
    if writer.execute(_KEY_CHECK).get != sealed.mac("key-check").hex():
        raise StoreUnavailable("wrong-key", _WRONG)
    return sealed


_WRONG: Final = "this database is sealed under another key"
