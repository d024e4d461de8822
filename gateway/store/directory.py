"""The directory: agencies that may post and recipients that may be told."""

from collections.abc import Mapping, Sequence

import apsw
from pydantic import TypeAdapter

from gateway.model.ids import AgencyName, RecipientId
from gateway.model.party import Agency, Recipient
from gateway.store.group_commit import Staged, Unit

_AGENCY = TypeAdapter(Agency)
_RECIPIENT = TypeAdapter(Recipient)


class DirectoryConflict(Exception):
    """An agency of that name, URN or key is already there. The text says which."""


def agencies(connection: apsw.Connection) -> Mapping[AgencyName, Agency]:
    """Return every registered agency by name. Reads only."""
    rows = connection.execute("SELECT name, body FROM agency")
    return {AgencyName(name): _AGENCY.validate_json(body) for name, body in rows}


def recipients(connection: apsw.Connection) -> Mapping[RecipientId, Recipient]:
    """Return every recipient by id. Reads only."""
    rows = connection.execute("SELECT id, body FROM recipient ORDER BY id")
    return {RecipientId(id_): _RECIPIENT.validate_json(body) for id_, body in rows}


def version(connection: apsw.Connection) -> str | None:
    """Return a marker that changes whenever the directory does. Reads only."""
    row = connection.execute("SELECT value FROM setting WHERE name = 'directory'").fetchone()
    return str(row[0]) if row else None


def add_agency(agency: Agency, entry: bytes, *, marker: str) -> Unit[None]:
    """Return the unit that registers an agency.

    Raises (from the unit):
        DirectoryConflict: its name, URN or one of its keys belongs to another.
    """

    def unit(connection: apsw.Connection) -> Staged[None]:
        for other in agencies(connection).values():
            shared = _shared(agency, other)
            if shared:
                raise DirectoryConflict(f"that {shared} belongs to agency {other.name}")
        connection.execute(
            "INSERT INTO agency (name, urn, body) VALUES (?, ?, ?)",
            (agency.name, agency.urn, _AGENCY.dump_json(agency).decode()),
        )
        _mark(connection, marker)
        return Staged(None, [entry])

    return unit


def put_recipients(
    found: Sequence[Recipient], entries: Sequence[bytes], *, marker: str
) -> Unit[None]:
    """Return the unit that adds or replaces recipients, all or none."""

    def unit(connection: apsw.Connection) -> Staged[None]:
        connection.executemany(
            "INSERT INTO recipient (id, body) VALUES (?, ?)"
            " ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            [(one.id, _RECIPIENT.dump_json(one).decode()) for one in found],
        )
        _mark(connection, marker)
        return Staged(None, entries)

    return unit


def _shared(agency: Agency, other: Agency) -> str | None:
    if agency.name == other.name:
        return "name"
    if agency.urn == other.urn:
        return "URN"
    if set(agency.public_keys) & set(other.public_keys):
        return "key"
    return None


def _mark(connection: apsw.Connection, marker: str) -> None:
    connection.execute(
        "INSERT INTO setting (name, value) VALUES ('directory', ?)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (marker,),
    )
