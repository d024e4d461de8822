"""Changing an instance's directory from the outside: each change one transaction, one entry."""

import hashlib
from collections.abc import Sequence

from pydantic import TypeAdapter

from gateway import clock
from gateway.config import Config
from gateway.disclosure_log import entry
from gateway.instance import commit_one
from gateway.model.ids import AgencyName, EndpointId
from gateway.model.keyring import KeyChange
from gateway.model.party import Agency, Recipient
from gateway.store.directory import add_agency, change_keys, put_recipients

# Whose act a change on the command line is logged as.
_OPERATOR = AgencyName("operator")


async def register_agency(config: Config, agency: Agency) -> None:
    """Add an agency to the directory.

    Raises:
        DirectoryConflict: its name, URN or key is already another's.
    """
    content = TypeAdapter(Agency).dump_json(agency)
    logged = _entry("agency-added", agency.name, content)
    await commit_one(config, add_agency(agency, logged, marker=clock.new_id("dir")))


async def register_recipients(config: Config, recipients: Sequence[Recipient]) -> None:
    """Add or replace recipients, all or none."""
    entries = [
        _entry("recipient-imported", one.id, TypeAdapter(Recipient).dump_json(one))
        for one in recipients
    ]
    await commit_one(config, put_recipients(recipients, entries, marker=clock.new_id("dir")))


async def change_keys_of(
    config: Config,
    endpoint: EndpointId,
    change: KeyChange,
    *,
    action: str,
    key_id: str,
    by: str,
) -> None:
    """Change the keys of one endpoint; the entry names the key and who changed it.

    Raises:
        LookupError: there is no such endpoint.
    """
    logged = entry.directory(
        at=clock.now(), action=action, subject=endpoint, actor=by, digest=key_id
    )
    unit = change_keys(endpoint, change, logged.encode(), marker=clock.new_id("dir"))
    await commit_one(config, unit)


def _entry(action: str, subject: str, content: bytes) -> bytes:
    return entry.directory(
        at=clock.now(),
        action=action,
        subject=subject,
        actor=_OPERATOR,
        digest=hashlib.sha256(content).hexdigest(),
    ).encode()
