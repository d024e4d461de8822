"""The person an event is about, as the gateway knows them: an opaque reference and the facts
each agency has stated. Plaintext lives only in memory and in the sealed store."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gateway.model.ids import AgencyName, PersonRef
from gateway.model.strict_json import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedGroup:
    """One field group as one agency last stated it. That agency is its controller."""

    members: JsonObject
    controller: AgencyName
    as_of: datetime  # aware UTC


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """The data subject: everything now held that a rule might permit some recipient to learn."""

    ref: PersonRef
    facts: Mapping[str, StatedGroup] = field(default_factory=dict)  # group name -> latest statement
