"""Flags on a record: what somebody is to be warned of, without the clinical detail."""

from dataclasses import dataclass
from typing import Final

from adapters.kit.fhir_text import SNOMED, Resource, codings, day, moment
from adapters.systmone.codes import CONCERNING_FLAGS, FLAG_CATEGORY, OTHER_FLAGS, SELF_HARM
from gateway.model.groups import parse_time
from gateway.model.strict_json import Json

TYPE: Final = "flag"


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """What one Flag warns of."""

    since: str | None  # RFC 3339, if a time is stated
    began: str | None  # the day, for telling concerns apart
    clinical: dict[str, Json]  # members of health_clinical; empty: that there is a concern


def concern(flag: Resource, *, as_of: str) -> Concern | None:
    """Return the concern an active Flag states, or None and a note saying why not.

    Which category or code it is decides, never its text. Of a risk of self-harm the meaning of
    the code is carried (health roles alone may read it); of the rest, that there is a concern.

    Raises:
        UnsupportedEvent: entered in error; of no category that is known; or active though over.
    """
    members = flag.members
    status = members.needed("status")
    categories = {one for concept in members.objects("category") for one in codings(concept)}
    code = members.object("code")
    codes = codings(code)
    period = members.object("period")
    # Who wrote it and where is the record's own; the subject was looked at before.
    members.ignore(*members.names)
    if status == "entered-in-error":
        raise members.unclear("status", "a flag taken back: who was told?", event_type=TYPE)
    if status != "active":
        members.note("status", "not an active flag: nothing is taken from it")
        return None
    self_harm = sorted(
        {SELF_HARM[one.code] for one in codes if one.code in SELF_HARM and one.system == SNOMED}
    )
    kinds = {one.code for one in categories if one.system == FLAG_CATEGORY}
    if not self_harm and not kinds & CONCERNING_FLAGS:
        if not kinds or not kinds <= OTHER_FLAGS:
            raise members.unclear("category", "of no category that is known", event_type=TYPE)
        members.note("category", "of no concern here: nothing is taken from it")
        return None
    since = began = None
    if period is not None:
        period.ignore("id", "extension")
        since, began = moment(period, "start"), day(period, "start")
        end = day(period, "end")
        if end is not None and end < parse_time(as_of).date().isoformat():
            raise members.unclear("period", "active, and over", event_type=TYPE)
    clinical: dict[str, Json] = {"self_harm": "; ".join(self_harm)} if self_harm else {}
    return Concern(since=since, began=began, clinical=clinical)
