"""A breach pack: for a compromised key, endpoint or agency's posting key, what was exposed.

Whose, since when, still unread, and by when who must be told. Source: DPA 2018 ss.67, 68; UK GDPR
Articles 33, 34.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from gateway.audit.answer import Answer, Cell, Column
from gateway.audit.asking import Asking
from gateway.audit.breach_reading import CAVEATS, Exposure, Told72, reading
from gateway.audit.found import Logged, every
from gateway.audit.reading import cells, group_names, groups, member_paths, recipient
from gateway.disclosure_log.operation import timestamp
from gateway.model.ids import PersonRef
from gateway.store.log_index import CONTROLLER, Query
from keys.fingerprints import same_fingerprint
from keys.problem import BadKey

Kind = Literal["key", "endpoint", "agency"]

HOURS: Final = timedelta(hours=72)
COLUMNS: Final = (
    Column(name="at", title="When", kind="time"),
    Column(name="period", title="Against the time given"),
    Column(name="controller", title="Controller", kind="ref"),
    Column(name="person", title="Person", kind="ref"),
    Column(name="alert", title="Alert", kind="ref"),
    Column(name="recipient", title="Who was told"),
    Column(name="endpoint", title="Endpoint", kind="ref"),
    Column(name="exposed", title="What was exposed"),
    Column(name="groups", title="Groups of facts", kind="list"),
    Column(name="left", title="Did it leave?"),
    Column(name="read", title="Was it read?"),
    Column(name="entry", title="Entry", kind="entry"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compromised:
    """What is in wrong hands."""

    kind: Kind
    id: str  # key id or whole fingerprint; endpoint id; agency name


def breach(asking: Asking, what: Compromised, *, since: datetime, discovered: datetime) -> Answer:
    """Answer: what was exposed, whose, since when, and who must be told by when?

    Args:
        asking: By whom, in what scope.
        what: A key opens all that was ever sealed to it and an endpoint may keep all that ever
            left over it, so what lies before `since` is listed too. An agency's key forges only.
        since: From when it may have been in wrong hands.
        discovered: When the breach became known: the 72 hours run from here.
    """
    what = _resolved(asking, what)
    cut: list[int] = []
    found = sorted(_exposed(asking, what, since, cut), key=lambda one: one.index)
    size, note = asking.checkpoint
    clock = Told72(discovered=discovered, due=discovered + HOURS, now=asking.now)
    return Answer(
        question="breach",
        title="What was exposed, whose, and since when?",
        asked={
            what.kind: what.id,
            "since": timestamp(since),
            "discovered": timestamp(discovered),
        },
        reading=tuple(reading(asking, what.kind, found, clock, whole=not cut)),
        columns=COLUMNS,
        rows=tuple(_row(asking, one) for one in found),
        entries=tuple(sorted({one.index for one in found})),
        size=size,
        checkpoint=note,
        caveats=CAVEATS,
    )


def _resolved(asking: Asking, what: Compromised) -> Compromised:
    """Return it with the key's id where its fingerprint was given."""
    if what.kind != "key":
        return what
    for one in asking.directory.recipients.values():
        for endpoint in one.endpoints:
            for held in endpoint.keys:
                try:
                    same = same_fingerprint(held.key, what.id)
                except BadKey:
                    continue
                if same:
                    return Compromised(kind="key", id=held.key.key_id)
    return what


def _exposed(
    asking: Asking, what: Compromised, since: datetime, cut: list[int]
) -> Iterator[Exposure]:
    bound = timestamp(since)
    match what.kind:
        case "key":
            query = asking.query(("op", "disclosure"), ("key", what.id))
            sealed = {_place(one): one for one in _gathered(asking, query, cut)}
            yield from (_disclosed(asking, one, bound, what) for one in sealed.values())
            # A sealing names neither event nor recipient: whose it is, its alert says.
            resealed = Query(terms=(("op", "sealing"), ("key", what.id)))
            for index, one in _gathered(asking, resealed, cut):
                told = _disclosure_of(asking, one)
                if told is not None and (one["alert"], one["endpoint"]) not in sealed:
                    yield _disclosed(asking, (index, told | {"at": one["at"]}), bound, what)
        case "endpoint":
            query = asking.query(("op", "disclosure"), ("endpoint", what.id))
            for logged in _gathered(asking, query, cut):
                yield _disclosed(asking, logged, bound, what)
        case "agency":
            yield from _by_agency(asking, what, since, cut)


def _by_agency(
    asking: Asking, what: Compromised, since: datetime, cut: list[int]
) -> Iterator[Exposure]:
    """Yield what could be forged or read with an agency's posting key since then."""
    bound = timestamp(since)
    posted = asking.query(("op", "collection"), ("agency", what.id), since=since)
    for index, one in _gathered(asking, posted, cut):
        yield Exposure(
            index=index,
            at=one["at"],
            before=False,
            controller=what.id,
            person=one["person"],
            exposed="event that may be forged",
        )
    told = asking.query(("op", "disclosure"), (CONTROLLER, what.id), since=since)
    for logged in _gathered(asking, told, cut):
        yield _disclosed(asking, logged, bound, what)
    looked = asking.query(("what", "timeline"), ("agency", what.id), since=since)
    for index, one in _gathered(asking, looked, cut):
        if one.get("person") is not None and one.get("shown", 0) > 0:
            yield Exposure(
                index=index,
                at=one["at"],
                before=False,
                controller=what.id,
                person=one["person"],
                exposed=f"timeline of {one['shown']} events read over HTTP",
                left="yes",
                read="read",
            )


def _gathered(asking: Asking, query: Query, cut: list[int]) -> tuple[Logged, ...]:
    """Return the newest entries a query means; where there are more, `cut` says where it ended."""
    found = every(asking, query)
    if found.next is not None:
        cut.append(found.next)
    return found.entries


def _place(logged: Logged) -> tuple[str, str]:
    return logged[1]["alert"], logged[1]["endpoint"]


def _disclosure_of(asking: Asking, sealing: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the disclosure whose alert was sealed anew."""
    query = asking.query(
        ("op", "disclosure"), ("alert", sealing["alert"]), ("endpoint", sealing["endpoint"])
    )
    own = [one for _, one in every(asking, query).entries if one["alert"] == sealing["alert"]]
    return own[0] | {"key": sealing.get("key"), "form": sealing["form"]} if own else None


def _disclosed(asking: Asking, logged: Logged, bound: str, what: Compromised) -> Exposure:
    index, one = logged
    row: Any = asking.reader.execute(_STATE, (one["alert"], one["endpoint"])).fetchone()
    state, attempts, key_id, collected, answered = row or (None, 0, None, None, None)
    controller = asking.reader.execute(_CONTROLLER, (one["event"],)).get
    return Exposure(
        index=index,
        at=one["at"],
        before=one["at"] < bound,
        controller=str(controller or "unknown"),
        person=PersonRef(one["person"]),
        alert=one["alert"],
        recipient=one["recipient"],
        endpoint=one["endpoint"],
        exposed=_what(what.kind, one["form"]),
        groups=group_names(member_paths(one)) if _facts(what.kind, one["form"]) else (),
        left=_left(state, attempts, resealed=key_id != one.get("key")),
        read="answered" if answered else "collected" if collected else "unread",
    )


def _facts(kind: Kind, form: str) -> bool:
    return kind == "agency" or form == "sealed"


def _what(kind: Kind, form: str) -> str:
    if kind == "agency":
        return "told on this agency's word"
    if form != "sealed":
        return "a notice without facts"
    return "content sealed to this key" if kind == "key" else "sealed content, without its key"


def _left(state: str | None, attempts: int, *, resealed: bool) -> str:
    said = {
        None: "not known",
        "accepted": "yes",
        "waiting": "not yet",
        "pending": "not yet" if attempts == 0 else "tried: it may have",
        "withheld": "no" if attempts == 0 else "tried: it may have",
    }.get(state, "tried: it may have")
    return f"{said}; sealed to another key since" if resealed and state else said


def _row(asking: Asking, one: Exposure) -> tuple[Cell, ...]:
    return (
        one.at,
        "before" if one.before else "since then",
        one.controller,
        one.person,
        one.alert or None,
        recipient(asking, one.recipient) if one.recipient else None,
        one.endpoint or None,
        one.exposed,
        cells([groups([name]) for name in one.groups]),
        one.left or None,
        one.read or None,
        one.index,
    )


_CONTROLLER: Final = "SELECT agency FROM event WHERE ref = ?"
_STATE: Final = (
    "SELECT outbox.state, outbox.attempts, outbox.key_id, alert.collected_at, alert.answered_at"
    " FROM outbox LEFT JOIN alert ON alert.id = outbox.alert"
    " WHERE outbox.alert = ? AND outbox.endpoint = ?"
)
