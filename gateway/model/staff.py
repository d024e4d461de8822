"""People who sign in to the console: by role, never by name."""

from dataclasses import dataclass
from typing import Literal, NewType

from gateway.model.ids import AgencyName

StaffId = NewType("StaffId", str)  # a role or staff id, as it enters the log: "dpo-01"
SessionId = NewType("SessionId", str)
ApprovalId = NewType("ApprovalId", str)  # apr_...

# dpo: audits; coordinator: decides what only a human may; operator: keeps it running, sees nobody.
StaffRole = Literal["dpo", "coordinator", "operator"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Staff:
    """One account of the console."""

    id: StaffId
    roles: frozenset[StaffRole]
    agencies: frozenset[AgencyName] = frozenset()  # controllers they act for, as posting agencies
    organisations: frozenset[str] = frozenset()  # and as organisations of recipients
    subject: str | None = None  # OpenID Connect: issuer, a space, sub; None: a local account
    active: bool = True
