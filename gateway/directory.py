"""The directory in memory: who may post, who may be told, where. Follows the store."""

import fnmatch
from collections.abc import Mapping

from gateway.candidates import Candidates
from gateway.model.ids import OURSELVES, AgencyName, EndpointId, RecipientId
from gateway.model.party import Agency, Endpoint, Recipient
from gateway.store import directory as rows
from gateway.store.engine import Connection
from policies.catalogue import Catalogues, may_post


class Directory:
    """A snapshot of the directory, renewed when the stored one has changed."""

    def __init__(self, reader: Connection, catalogues: Catalogues) -> None:
        self._reader = reader
        self._catalogues = catalogues
        self.marker: str | None = None  # of the directory this snapshot shows
        self.agencies: Mapping[AgencyName, Agency] = {}
        self.recipients: Mapping[RecipientId, Recipient] = {}
        self.classes: dict[AgencyName, str] = {}
        self.candidates = Candidates(())
        self._by_urn: Mapping[str, Agency] = {}
        self._endpoints: Mapping[EndpointId, Endpoint] = {}
        self._read()

    def refresh(self) -> bool:
        """Take in changes committed since, by any process; return whether there were some."""
        if rows.version(self._reader) == self.marker:
            return False
        self._read()
        return True

    def find_agency(self, claimed: str) -> Agency | None:
        """Return the agency of that name or URN."""
        return self.agencies.get(AgencyName(claimed)) or self._by_urn.get(claimed)

    def endpoint(self, id_: EndpointId) -> Endpoint | None:
        """Return an endpoint as the directory has it now."""
        return self._endpoints.get(id_)

    def may_post(self, agency: Agency, kind: str) -> bool:
        """Return whether an agency may post a kind: its own list, and its class's."""
        own = any(fnmatch.fnmatchcase(kind, pattern) for pattern in agency.kinds)
        return own and may_post(self._catalogues, agency.organisation_class, kind)

    def _read(self) -> None:
        self.marker = rows.version(self._reader)
        self.agencies = rows.agencies(self._reader)
        self.recipients = rows.recipients(self._reader)
        self.classes = {name: agency.organisation_class for name, agency in self.agencies.items()}
        self.classes[OURSELVES] = "gateway"
        self.candidates = Candidates(one for one in self.recipients.values() if not one.standby)
        self._by_urn = {agency.urn: agency for agency in self.agencies.values()}
        self._endpoints = {
            endpoint.id: endpoint
            for recipient in self.recipients.values()
            for endpoint in recipient.endpoints
        }
