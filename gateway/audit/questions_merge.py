"""What a wrong link or merge touched, and whether what put it right arrived."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gateway.audit.answer import Answer, Cell, Column
from gateway.audit.asking import Asking
from gateway.audit.questions_common import Entry, Indexed, fate, framed, standing
from gateway.audit.reading import (
    cells,
    counted,
    group_names,
    listed,
    member_paths,
    when,
)
from gateway.audit.reading import (
    recipient as named,
)
from gateway.audit.reading_codes import MESSAGES, READINGS
from gateway.model.ids import PersonRef
from gateway.store import merges
from gateway.store.log_index import search

_MOST: Final = 1000  # alerts and readings of one merge that are looked at
_TICK: Final = timedelta(milliseconds=1)

_TOUCHED: Final = (
    Column(name="join", title="Which"),
    Column(name="joined", title="Joined", kind="time"),
    Column(name="parted", title="Parted", kind="time"),
    Column(name="at", title="When", kind="time"),
    Column(name="who", title="Who", kind="ref"),
    Column(name="what", title="What they were or did"),
    Column(name="record", title="Under record", kind="ref"),
    Column(name="event", title="Event", kind="ref"),
    Column(name="groups", title="Told of", kind="list"),
    Column(name="alert", title="Alert", kind="ref"),
    Column(name="delivered", title="Delivered", kind="time"),
    Column(name="righted_by", title="Put right by", kind="ref"),
    Column(name="righted", title="Put right", kind="time"),
    Column(name="righted_reached", title="That reached them", kind="time"),
    Column(name="righted_answer", title="Their answer to it"),
    Column(name="standing", title="Now"),
    Column(name="entry", title="Entry", kind="entry"),
)
_READ_AT_PAGES: Final = (
    "What was read in between (a timeline, a pick-up page) is not called back by itself: tell those"
    " readers (DPA 2018 s.48, UK GDPR art. 19: whoever was told is told of the rectification)."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Join:
    """Two records, or a record and an identifier, while they were taken for one person."""

    name: str
    records: tuple[PersonRef, ...]
    began: datetime
    ended: datetime | None  # None: they are one to this day
    entries: tuple[int, ...]  # of the log, that say so


def merge(asking: Asking, *, person: PersonRef) -> Answer:
    """Answer what every link or merge about a person touched, and what was put right since."""
    joins = [*_merges(asking, person), *_cut_links(asking, person)]
    joins.sort(key=lambda one: one.began)
    rows: list[Sequence[Cell]] = []
    said: list[str] = []
    entries: list[int] = []
    for one in joins:
        touched = _touched(asking, one)
        made = [_row(asking, one, index, entry) for index, entry in touched]
        rows += [row for row, _ in made]
        entries += [*one.entries, *(index for _, chain in made for index in chain)]
        entries += [index for index, _ in touched]
        said += _said(asking, one, touched)
    return framed(
        asking,
        question="merge",
        title="What did a wrong link or merge touch, and did the recalls arrive?",
        asked={"person": person},
        reading=said or ["The log shows no merge or cut link of this person that you may see."],
        columns=_TOUCHED,
        rows=rows,
        entries=entries,
        caveats=(_READ_AT_PAGES,) if joins else (),
    )


def _merges(asking: Asking, person: PersonRef) -> Iterator[_Join]:
    """Yield every merge of the person's records, undone or not, that the asker may see."""
    combined = _combinations(asking, person)
    for one in merges.history(asking.reader, person):
        said = [index for index, entry in combined if entry["event"] in (one.event, one.undone_by)]
        if not said and not asking.scope.everything:
            continue
        undone = "undone" if one.undone_at else "in force"
        yield _Join(
            name=f"merge of {one.absorbed} into {one.survivor}, {undone}",
            records=_under(asking, one.survivor, one.absorbed),
            began=one.merged_at,
            ended=one.undone_at,
            entries=tuple(said),
        )


def _cut_links(asking: Asking, person: PersonRef) -> Iterator[_Join]:
    """Yield every link of an identifier that was cut again."""
    linked: dict[tuple[str, str], Indexed] = {}
    for index, entry in reversed(_combinations(asking, person)):
        person_then, record = entry["person"], entry.get("separated")
        for kind in entry["identifiers"]:
            if record is None:
                linked.setdefault((person_then, kind), (index, entry))
                continue
            begun = (
                linked.pop((record, kind), None)
                or linked.pop((person_then, kind), None)
                or (index, entry)
            )
            yield _Join(
                name=f"link of a {kind} to {record}, cut",
                records=tuple({PersonRef(record): None, PersonRef(person_then): None}),
                began=datetime.fromisoformat(begun[1]["at"]),
                ended=datetime.fromisoformat(entry["at"]),
                entries=tuple(sorted({begun[0], index})),
            )


def _combinations(asking: Asking, person: PersonRef) -> list[Indexed]:
    about = tuple(("person", one) for one in _family(asking, person))
    query = asking.query(("op", "combination"), any_of=(about,))
    found = search(asking.reader, query, limit=_MOST).entries
    return [(index, entry) for index, entry in found if asking.sees(entry)]


def _family(asking: Asking, person: PersonRef) -> tuple[PersonRef, ...]:
    """Return every record that a merge, undone or not, ever joined to the person's."""
    family = set(asking.records(person))
    for one in merges.history(asking.reader, person):
        family |= {one.survivor, one.absorbed}
    return tuple(sorted(family))


def _under(asking: Asking, *records: PersonRef) -> tuple[PersonRef, ...]:
    """Return the two records and those that are merged into either now."""
    return tuple(dict.fromkeys(one for ref in records for one in asking.records(ref)))


def _touched(asking: Asking, join: _Join) -> list[Indexed]:
    """Return what was told or read about the records while they were joined, oldest first."""
    telling = (("op", "disclosure"), ("what", "timeline"), ("what", "alert"))
    about = tuple(("person", one) for one in join.records)
    query = asking.query(
        any_of=(telling, about),
        since=join.began,
        until=join.ended + _TICK if join.ended else None,
    )
    found = search(asking.reader, query, limit=_MOST).entries
    return [
        (index, entry)
        for index, entry in reversed(found)
        if asking.sees(entry)
        and (entry["op"] == "consultation" or entry["grants"])
        and entry.get("shown") != 0
    ]


def _row(
    asking: Asking, join: _Join, index: int, one: Entry
) -> tuple[Sequence[Cell], tuple[int, ...]]:
    head: list[Cell] = [
        join.name,
        join.began.isoformat(),
        join.ended.isoformat() if join.ended else None,
        _text(one["at"]),
        _text(one.get("recipient") or one.get("reader") or one.get("agency")),
    ]
    if one["op"] == "consultation":
        read = f"read {READINGS[str(one['what'])]}"
        row = [*head, read, _text(one.get("person")), None, None, _text(one.get("alert"))]
        return [*row, None, None, None, None, None, "not called back by itself", index], ()
    alert = str(one["alert"])
    of = fate(asking, alert)
    righted = of.put_right(alert)
    after = fate(asking, str(righted[1]["alert"])) if righted else None
    answer = after.answer if after else None
    row = [
        *head,
        MESSAGES.get(str(one["message"]), str(one["message"])),
        _text(one["person"]),
        _text(one["event"]),
        cells(group_names(member_paths(one))),
        alert,
        of.reached(str(one["endpoint"])),
        _text(righted[1]["alert"]) if righted else None,
        _text(righted[1]["at"]) if righted else None,
        after.reached() if after else None,
        _text(answer["answer"]) if answer else None,
        standing(asking, alert, of),
        index,
    ]
    return row, (*of.entries, *(after.entries if after else ()))


def _said(asking: Asking, join: _Join, touched: Sequence[Indexed]) -> Iterator[str]:
    span = f"from {when(join.began)}"
    span += f" to {when(join.ended)}" if join.ended else " to this day"
    alerts = list(
        dict.fromkeys(
            (str(one["alert"]), str(one["recipient"]))
            for _, one in touched
            if one["op"] == "disclosure"
        )
    )
    readers = dict.fromkeys(
        str(one.get("recipient") or one.get("reader") or one.get("agency"))
        for _, one in touched
        if one["op"] == "consultation"
    )
    name = join.name[0].upper() + join.name[1:]
    yield (
        f"{name}: it lasted {span}. In that time {counted(len(alerts), 'alert')} with facts left"
        f" under it."
    )
    yield from _righted(asking, join, alerts)
    if readers:
        yield f"In that time its records or alerts were also read by {listed(readers)}."


def _righted(asking: Asking, join: _Join, alerts: Iterable[tuple[str, str]]) -> Iterator[str]:
    arrived: list[str] = []
    waiting: list[str] = []
    stands: list[str] = []
    for alert, who in alerts:
        righted = fate(asking, alert).put_right(alert)
        if righted is None:
            stands.append(who)
        elif fate(asking, str(righted[1]["alert"])).reached():
            arrived.append(who)
        else:
            waiting.append(who)
    if arrived:
        yield (
            f"{counted(len(arrived), 'alert was', 'alerts were')} put right, and the correction or"
            f" recall reached {_who(asking, arrived)}."
        )
    if waiting:
        yield (
            f"{counted(len(waiting), 'alert was', 'alerts were')} put right, but that has NOT"
            f" reached {_who(asking, waiting)}: ring them."
        )
    if stands:
        still = "was true all the same, or is still to be looked at" if join.ended else "stands"
        yield (
            f"{counted(len(stands), 'alert was', 'alerts were')} not put right, to"
            f" {_who(asking, stands)}: what it said {still}."
        )


def _who(asking: Asking, ids: Iterable[str]) -> str:
    return listed(named(asking, one) for one in dict.fromkeys(ids))


def _text(value: object) -> str | None:
    return None if value is None else str(value)
