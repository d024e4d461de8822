"""Why somebody was not told, and what left on the strength of one rule."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from gateway.audit.answer import Answer, Cell, Column
from gateway.audit.asking import Asking
from gateway.audit.questions_common import PAGE, Entry, Indexed, fate, framed, page
from gateway.audit.reading import (
    Law,
    cells,
    counted,
    group_names,
    groups,
    listed,
    reasons,
    spoken,
    when,
)
from gateway.audit.reading import (
    recipient as named,
)
from gateway.model.ids import EventRef, PersonRef, RecipientId, RuleId
from gateway.store.log_index import Term

_SAID: Final = 25

_REFUSED: Final = (
    Column(name="at", title="When", kind="time"),
    Column(name="event", title="Event", kind="ref"),
    Column(name="recipient", title="Who", kind="ref"),
    Column(name="outcome", title="Outcome"),
    Column(name="groups", title="Kept back", kind="list"),
    Column(name="codes", title="Codes", kind="list"),
    Column(name="why", title="Why", kind="list"),
    Column(name="rules", title="Rules that forbid it", kind="list"),
    Column(name="rulebook", title="Rulebook", kind="ref"),
    Column(name="entry", title="Entry", kind="entry"),
)
_RULE: Final = (
    Column(name="at", title="When", kind="time"),
    Column(name="alert", title="Alert", kind="ref"),
    Column(name="person", title="Person", kind="ref"),
    Column(name="event", title="Event", kind="ref"),
    Column(name="agency", title="Posted by"),
    Column(name="recipient", title="Told", kind="ref"),
    Column(name="endpoint", title="To", kind="ref"),
    Column(name="basis", title="Legal basis", kind="list"),
    Column(name="purpose", title="Purpose", kind="list"),
    Column(name="condition", title="Condition", kind="list"),
    Column(name="policy_document", title="Policy document", kind="list"),
    Column(name="decided_by", title="Decided by", kind="list"),
    Column(name="members", title="On this rule", kind="list"),
    Column(name="message", title="Message"),
    Column(name="delivered", title="Delivered", kind="time"),
    Column(name="rulebook", title="Rulebook", kind="ref"),
    Column(name="entry", title="Entry", kind="entry"),
)
_UNCONSIDERED: Final = (
    "A recipient is decided for only if the directory had them when the event came, not on standby,"
    " and if they could be concerned: their area, or their being named in the record."
)
_NO_STATISTICS: Final = (
    "For checking lawfulness one by one. The log may not be counted for statistics (DPA 2018"
    " s.62(4)); `throughgate stats` counts events."
)


def refused(
    asking: Asking,
    *,
    person: PersonRef | None = None,
    recipient: RecipientId | None = None,
    event: EventRef | None = None,
    after: int | None = None,
    limit: int = PAGE,
) -> Answer:
    """Answer why a recipient was not told about a person, or of an event: all of it or some.

    Raises:
        ValueError: neither a person nor an event is named.
    """
    if person is None and event is None:
        raise ValueError("name a person or an event")
    groups_: list[tuple[Term, ...]] = [(("op", "refusal"), ("op", "disclosure"))]
    if recipient is not None:  # "*": no rule tells anybody
        groups_.append((("recipient", recipient), ("recipient", "*")))
    if person is not None:
        groups_.append(asking.about(person))
    if event is not None:
        groups_.append((("event", event),))
    found = page(asking, asking.query(any_of=tuple(groups_)), after, limit)
    kept = [(index, one) for index, one in found.found if one["op"] == "refusal" or one["withheld"]]
    return framed(
        asking,
        question="refused",
        title=f"Why was {recipient or 'somebody'} not told?",
        asked={"person": person, "recipient": recipient, "event": event},
        reading=tuple(_refused_reading(asking, recipient, kept, found.found)),
        columns=_REFUSED,
        rows=[_refused_row(asking, index, one) for index, one in kept],
        entries=[index for index, _ in kept],
        next_page=found.next,
        caveats=(_UNCONSIDERED,),
    )


def rule(
    asking: Asking,
    *,
    rule: RuleId,
    since: datetime | None = None,
    until: datetime | None = None,
    after: int | None = None,
    limit: int = PAGE,
) -> Answer:
    """Answer what left on the strength of one rule, one by one, between two dates."""
    query = asking.query(("op", "disclosure"), ("rule", rule), since=since, until=until)
    found = page(asking, query, after, limit)
    return framed(
        asking,
        question="rule",
        title=f"What left on the strength of rule {rule}?",
        asked={
            "rule": rule,
            "since": since.isoformat() if since else None,
            "until": until.isoformat() if until else None,
        },
        reading=tuple(_rule_reading(asking, rule, found.found)),
        columns=_RULE,
        rows=[_rule_row(asking, rule, index, one) for index, one in found.found],
        entries=[index for index, _ in found.found],
        next_page=found.next,
        caveats=(_NO_STATISTICS,),
    )


def _reasons_of(one: Entry) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = one["reasons" if one["op"] == "refusal" else "withheld"]
    return found


def _refused_row(asking: Asking, index: int, one: Entry) -> Sequence[Cell]:
    law, why = Law.of(asking, one["rulebook"]), _reasons_of(one)
    return [
        one["at"],
        one["event"],
        one["recipient"],
        "told nothing" if one["op"] == "refusal" else "told in part",
        cells(dict.fromkeys(held["group"] for held in one.get("withheld", ()))),
        cells(dict.fromkeys(reason["code"] for reason in why)),
        cells(reasons(law, why)),
        cells(dict.fromkeys(reason["rule"] for reason in why if "rule" in reason)),
        one["rulebook"],
        index,
    ]


def _refused_reading(
    asking: Asking,
    recipient: RecipientId | None,
    kept: Sequence[Indexed],
    found: Sequence[Indexed],
) -> Iterator[str]:
    if not found:
        yield (
            "The log holds no decision about that which you may see: neither a refusal nor a"
            " disclosure."
        )
        if recipient is not None and recipient in asking.directory.recipients:
            yield from _serves(asking, recipient)
        return
    days: dict[str, list[str]] = {}  # by what is said of them: the same reason is given once
    for _, one in reversed(kept):
        days.setdefault(_refusal_said(asking, one), []).append(when(one["at"]))
    for said, moments in list(days.items())[:_SAID]:
        yield f"On {listed(dict.fromkeys(moments))}: {said}"
    whole = sum(one["op"] == "disclosure" and not one["withheld"] for _, one in found)
    if whole:
        yield f"{counted(whole, 'disclosure')} here kept nothing back; `told` says of what."


def _refusal_said(asking: Asking, one: Entry) -> str:
    law, who = Law.of(asking, one["rulebook"]), named(asking, one["recipient"])
    why = " ".join(reasons(law, _reasons_of(one)))
    if one["op"] == "refusal":
        return f"{who} was told nothing. {why} Decided under {law.version}."
    held = groups(group_names(part["group"] for part in one["withheld"]))
    return f"{who} was told, but not all of: {held}. {why}"


def _serves(asking: Asking, recipient: RecipientId) -> Iterator[str]:
    known = asking.directory.recipients[recipient]
    areas = listed(sorted(known.areas)) if known.areas else "every area"
    standby = " It is on standby: told only when another's alert is unanswered." * known.standby
    yield f"The directory now has {named(asking, recipient)} for {areas}.{standby}"


def _rule_row(asking: Asking, id_: RuleId, index: int, one: Entry) -> Sequence[Cell]:
    law = Law.of(asking, one["rulebook"])
    grants = [grant for grant in one["grants"] if grant["rule"] == id_]
    return [
        one["at"],
        one["alert"],
        one["person"],
        one["event"],
        asking.reader.execute("SELECT agency FROM event WHERE ref = ?", (one["event"],)).get,
        one["recipient"],
        one["endpoint"],
        cells(dict.fromkeys(law.basis(grant["basis"]) for grant in grants)),
        *(
            cells(dict.fromkeys(str(grant[name]) for grant in grants if grant.get(name)))
            for name in ("purpose", "condition", "policy_document", "decided_by")
        ),
        cells(sorted({path for grant in grants for path in grant["members"]})),
        one["message"],
        fate(asking, one["alert"]).reached(one["endpoint"]),
        one["rulebook"],
        index,
    ]


def _rule_reading(asking: Asking, id_: RuleId, found: Sequence[Indexed]) -> Iterator[str]:
    known = asking.law.rulebook.rules.get(id_)
    if known is None:
        yield f"The rulebook in force has no rule {id_}."
    elif known.effect == "forbid":
        yield f"Rule {id_} forbids: nothing ever leaves on its strength. {known.reason}"
    else:
        law = Law.of(asking, asking.law.rulebook.digest)
        bases = listed(law.basis(basis) for basis in known.bases)
        yield (
            f"Rule {id_} ({known.source}) lets {spoken(known.role)} be told for"
            f" {spoken(known.purpose)}, relying on {bases}, as the rulebook in force has it."
        )
    if not found:
        yield "Nothing that you may see left on its strength in that time."
        return
    who = dict.fromkeys(one["recipient"] for _, one in found)
    oldest, newest = when(found[-1][1]["at"]), when(found[0][1]["at"])
    span = f"on {newest}" if oldest == newest else f"between {oldest} and {newest}"
    yield f"What follows left {span}, to {listed(named(asking, one) for one in who)}."
    versions = dict.fromkeys(one["rulebook"] for _, one in found)
    if len(versions) > 1:
        said = f"{len(versions)} versions of the rulebook"
        yield f"It was decided under {said}; each row names its own."
