"""Why a record was read, in the reader's words: sealed under the person's key.

The log holds a keyed digest only, so erasing the person erases the words and no proof breaks.
"""

import structlog

from gateway.model.ids import PersonRef
from gateway.store.engine import Connection
from gateway.store.sealed import SealedStore
from keys.problem import KeyProblem
from keys.providers.problem import ProviderProblem

_LOG = structlog.get_logger()


def digest(sealed: SealedStore, words: str) -> str:
    """Return the keyed digest, hex, by which an entry names these words."""
    return sealed.mac("reason", words).hex()


def keep(connection: Connection, sealed: SealedStore, person: PersonRef, words: str) -> None:
    """Keep the words, in the transaction that logs their digest. Writes.

    Raises:
        KeyProblem: the person's key does not open.
    """
    mac = digest(sealed, words)
    blob = sealed.key_of(connection, person).seal(words.encode(), _context(mac))
    connection.execute(
        "INSERT INTO justification (person, mac, sealed) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (person, mac, blob),
    )


def keep_if_it_opens(
    connection: Connection, sealed: SealedStore, person: PersonRef, words: str
) -> None:
    """Keep the words; where the person's key is damaged, their digest in the log is all there is.

    Nobody may be kept from reading what was disclosed by a key that is not needed for it. Writes.

    Raises:
        ProviderProblem: where keys live cannot be used now; asked again later, it may go.
    """
    try:
        keep(connection, sealed, person, words)
    except ProviderProblem:
        raise
    except KeyProblem as error:
        _LOG.error("justification not kept", code=error.code)


def words_of(
    connection: Connection, sealed: SealedStore, person: PersonRef, mac: str
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
