"""Why a record was read, in the reader's words: sealed under the person's key.

The log holds a keyed digest only, so erasing the person erases the words and no proof breaks.
"""

import apsw

from gateway.model.ids import PersonRef
from gateway.store.sealed import SealedStore


def digest(sealed: SealedStore, words: str) -> str:
    """Return the keyed digest, hex, by which an entry names these words."""
    return sealed.mac("reason", words).hex()


def keep(connection: apsw.Connection, sealed: SealedStore, person: PersonRef, words: str) -> None:
    """Keep the words, in the transaction that logs their digest. Writes.

    Raises:
        KeyProblem: the person's key does not open.
    """
    mac = digest(sealed, words)
    blob = sealed.key_of(connection, person).seal(words.encode(), _context(mac))
    connection.execute(
        "INSERT OR IGNORE INTO justification (person, mac, sealed) VALUES (?, ?, ?)",
        (person, mac, blob),
    )


def words_of(
    connection: apsw.Connection, sealed: SealedStore, person: PersonRef, mac: str
) -> str | None:
    """Return the words behind a digest; None if there are none kept. Reads only.

    Raises:
        KeyProblem: they were altered, or the person was erased.
    """
    row = connection.execute(
        "SELECT sealed FROM justification WHERE person = ? AND mac = ?", (person, mac)
    ).fetchone()
    if row is None:
        return None
    return sealed.key_of(connection, person).open(row[0], _context(mac)).decode()


def _context(mac: str) -> bytes:
    return b"justification:" + mac.encode()
