"""Opaque references. Every id is a prefixed UUIDv7, fixed once and never reused.

None carries personal data, so all may appear in log entries, queues and metrics.
"""

from typing import Final, NewType

EventRef = NewType("EventRef", str)  # evt_...: one accepted event
PersonRef = NewType("PersonRef", str)  # per_...: the data subject
AlertId = NewType("AlertId", str)  # alt_...: one alert; also webhook-id and Message-ID local part
ReceiptId = NewType("ReceiptId", str)  # rcp_...: one accepted request
RecipientId = NewType("RecipientId", str)  # as named in the directory
AgencyName = NewType("AgencyName", str)  # as named at registration
EndpointId = NewType("EndpointId", str)  # recipient/channel
RuleId = NewType("RuleId", str)  # @id of a Cedar policy
BasisId = NewType("BasisId", str)  # LB01..LB16
TaskId = NewType("TaskId", str)

OURSELVES: Final = AgencyName("throughgate")  # states what no agency did: a duty missed, a merge
