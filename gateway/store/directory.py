"""The directory: agencies that may post and recipients that may be told."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pydantic import TypeAdapter

from gateway.mailboxes import is_for
from gateway.model.ids import AgencyName, EndpointId, RecipientId
from gateway.model.keyring import HeldKey, KeyChange, joined
from gateway.model.party import Agency, Endpoint, Recipient
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged, Unit

_AGENCY = TypeAdapter(Agency)
_RECIPIENT = TypeAdapter(Recipient)


class DirectoryConflict(Exception):
    """An agency of that name, URN or key is already there. The text says which."""


def agencies(connection: Connection) -> Mapping[AgencyName, Agency]:
    """Return every registered agency by name. Reads only."""
    rows = connection.execute("SELECT name, body FROM agency")
    return {AgencyName(name): _AGENCY.validate_json(body) for name, body in rows}


def recipients(connection: Connection) -> Mapping[RecipientId, Recipient]:
    """Return every recipient by id. Reads only."""
    rows = connection.execute("SELECT id, body FROM recipient ORDER BY id")
    return {RecipientId(id_): _RECIPIENT.validate_json(body) for id_, body in rows}


def version(connection: Connection) -> str | None:
    """Return a marker that changes whenever the directory does. Reads only."""
    row = connection.execute("SELECT value FROM setting WHERE name = 'directory'").fetchone()
    return str(row[0]) if row else None


def add_agency(agency: Agency, entry: bytes, *, marker: str) -> Unit[None]:
    """Return the unit that registers an agency.

    Raises (from the unit):
        DirectoryConflict: its name, URN or one of its keys belongs to another.
    """

    def unit(connection: Connection) -> Staged[None]:
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
    """Return the unit that adds or replaces recipients, all or none. Keys that an endpoint has stay
    with it, but for certificates of another mailbox than it has now; those brought are added."""

    def unit(connection: Connection) -> Staged[None]:
        held = recipients(connection)
        connection.executemany(
            "INSERT INTO recipient (id, body) VALUES (?, ?)"
            " ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            [(one.id, _dumped(_with_keys(one, held.get(one.id)))) for one in found],
        )
        _mark(connection, marker)
        return Staged(None, entries)

    return unit


def change_keys(
    endpoint: EndpointId,
    change: KeyChange,
    entry: bytes,
    *,
    marker: str,
) -> Unit[None]:
    """Return the unit that changes the keys of one endpoint.

    Raises (from the unit):
        LookupError: there is no such endpoint.
        What `change` raises: then nothing is changed.
    """

    def unit(connection: Connection) -> Staged[None]:
        for recipient in recipients(connection).values():
            if any(one.id == endpoint for one in recipient.endpoints):
                changed = tuple(
                    replace(one, keys=change(one.keys)) if one.id == endpoint else one
                    for one in recipient.endpoints
                )
                connection.execute(
                    "UPDATE recipient SET body = ? WHERE id = ?",
                    (_dumped(replace(recipient, endpoints=changed)), recipient.id),
                )
                _mark(connection, marker)
                return Staged(None, [entry])
        raise LookupError(endpoint)

    return unit


def _with_keys(brought: Recipient, held: Recipient | None) -> Recipient:
    if held is None:
        return brought
    keys = {one.id: one.keys for one in held.endpoints}
    endpoints = tuple(_keeping(one, keys.get(one.id, ())) for one in brought.endpoints)
    return replace(brought, endpoints=endpoints)


def _keeping(endpoint: Endpoint, held: Sequence[HeldKey]) -> Endpoint:
    """Return an endpoint as brought, with the keys held; what its certificates rest on is as it
    says now."""
    anchored = endpoint.trust == "anchor"
    kept = [one for one in held if one.key.form != "cms" or is_for(one.key, endpoint.address)]
    keys = tuple(
        replace(one, needs_vouching=anchored) if one.key.form == "cms" else one
        for one in joined(kept, endpoint.keys)
    )
    return replace(endpoint, keys=keys)


def _dumped(recipient: Recipient) -> str:
    return _RECIPIENT.dump_json(recipient).decode()


def _shared(agency: Agency, other: Agency) -> str | None:
    if agency.name == other.name:
        return "name"
    if agency.urn == other.urn:
        return "URN"
    if set(agency.public_keys) & set(other.public_keys):
        return "key"
    return None


def _mark(connection: Connection, marker: str) -> None:
    connection.execute(
        "INSERT INTO setting (name, value) VALUES ('directory', ?)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (marker,),
    )
