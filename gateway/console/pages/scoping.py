"""What of the log and the store is somebody's to see, by controller. Reads only."""

from collections.abc import Mapping
from typing import Any

import orjson

from gateway.audit.scope import Scope
from gateway.console.own import ConsoleOwn
from gateway.model.ids import AgencyName, PersonRef, RecipientId
from gateway.store.merges import records


def organisation_of(own: ConsoleOwn, recipient: str | None) -> str | None:
    """Return the organisation of a recipient as the directory has it now."""
    found = own.directory.recipients.get(RecipientId(recipient)) if recipient else None
    return found.organisation if found else None


def agency_of(own: ConsoleOwn, event: str | None) -> AgencyName | None:
    """Return who stated an event."""
    if event is None:
        return None
    row = own.store.reader.execute("SELECT agency FROM event WHERE ref = ?", (event,)).fetchone()
    return AgencyName(row[0]) if row else None


def covers(own: ConsoleOwn, scope: Scope, entry: Mapping[str, Any]) -> bool:
    """Return whether an entry of the log is theirs to see."""
    if scope.everything:
        return True
    agency = entry.get("agency") or agency_of(own, entry.get("event"))
    return scope.covers(agency=agency, organisation=organisation_of(own, entry.get("recipient")))


def covers_person(own: ConsoleOwn, scope: Scope, person: PersonRef) -> bool:
    """Return whether anything of a person was sent or received by these controllers."""
    if scope.everything:
        return True
    own_records = orjson.dumps(records(own.store.reader, person)).decode()
    told = [
        one.id
        for one in own.directory.recipients.values()
        if one.organisation in scope.organisations
    ]
    bindings = {
        "records": own_records,
        "agencies": orjson.dumps(sorted(scope.agencies)).decode(),
        "told": orjson.dumps(told).decode(),
    }
    return bool(own.store.reader.execute(_ANYTHING, bindings).get)


_ANYTHING = (
    "SELECT EXISTS (SELECT 1 FROM event WHERE person IN (SELECT value FROM json_each(:records))"
    " AND agency IN (SELECT value FROM json_each(:agencies)))"
    " OR EXISTS (SELECT 1 FROM outbox WHERE person IN (SELECT value FROM json_each(:records))"
    " AND recipient IN (SELECT value FROM json_each(:told)))"
)
