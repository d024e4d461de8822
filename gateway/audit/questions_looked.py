"""Who looked: at a person, and at the log itself."""

from collections.abc import Iterator, Sequence
from typing import Final

from gateway.audit.answer import Answer, Cell, Column
from gateway.audit.asking import UNKNOWN, Asking
from gateway.audit.questions_common import PAGE, Entry, Indexed, Page, framed, knows, page
from gateway.audit.reading import cells, counted, listed, spoken, when
from gateway.audit.reading_codes import READINGS
from gateway.model.ids import PersonRef
from gateway.model.staff import StaffId
from gateway.store.log_index import Term

_LOOKED: Final = (
    Column(name="at", title="When", kind="time"),
    Column(name="who", title="Who", kind="ref"),
    Column(name="agency", title="For", kind="ref"),
    Column(name="read", title="What they read"),
    Column(name="person", title="Of whom", kind="ref"),
    Column(name="about", title="Asked of", kind="list"),
    Column(name="shown", title="Shown", kind="count"),
    Column(name="means", title="By"),
    Column(name="justified", title="Said why"),
    Column(name="entry", title="Entry", kind="entry"),
)
_ITSELF: Final = "Your own question is among the rows: it was logged before it was answered."
_COPIES: Final = "Whoever reads a copy of the database, or of the log, elsewhere is not seen here."


def looked(
    asking: Asking,
    *,
    person: PersonRef | None = None,
    staff: StaffId | None = None,
    after: int | None = None,
    limit: int = PAGE,
) -> Answer:
    """Answer who looked at a person, or what somebody looked at.

    Raises:
        ValueError: neither a person nor staff is named.
    """
    if person is None and staff is None:
        raise ValueError("name a person, or who looked")
    terms: list[Term] = [("op", "consultation")]
    if staff is not None:
        terms.append(("actor", staff))
    of = () if person is None else (asking.about(person),)
    if person is None or knows(asking, person):
        found = page(asking, asking.query(*terms, any_of=of), after, limit)
    else:
        found = Page()
    return framed(
        asking,
        question="looked",
        title="Who looked?",
        asked={"person": person, "staff": staff},
        reading=tuple(_reading(found.found, staff)),
        columns=_LOOKED,
        rows=[_row(index, one) for index, one in found.found],
        entries=[index for index, _ in found.found],
        next_page=found.next,
        caveats=(_ITSELF, _COPIES),
    )


def _row(index: int, one: Entry) -> Sequence[Cell]:
    about = one.get("about", {})
    if "start" in one:
        about = {"entries": f"{one['start']} to {one['end']}"}
    return [
        one["at"],
        _who(one),
        one.get("agency"),
        READINGS.get(one["what"], spoken(one["what"])),
        one.get("person"),
        cells(f"{name} {value}" for name, value in about.items()),
        one.get("shown"),
        one.get("means"),
        "yes" if one.get("reason_mac") else "no",
        index,
    ]


def _reading(found: Sequence[Indexed], staff: StaffId | None) -> Iterator[str]:
    if not found:
        yield "The log holds no such reading that you may see."
        return
    by_who: dict[str, list[Entry]] = {}
    for _, one in reversed(found):
        by_who.setdefault(_who(one), []).append(one)
    for who, readings in by_who.items():
        what = dict.fromkeys(READINGS.get(one["what"], spoken(one["what"])) for one in readings)
        days = dict.fromkeys(when(one["at"]) for one in (readings[0], readings[-1]))
        span = " to ".join(days)
        yield f"{who} looked {counted(len(readings), 'time')} ({span}): {listed(what)}."
    silent = sum(
        not one.get("reason_mac") for _, one in found if one.get("person") and one.get("reader")
    )
    if silent:
        yield (
            f"{counted(silent, 'reading')} of a person here came without a reason. Where one was"
            " said, `throughgate log justification ENTRY` shows it, and is itself logged."
        )
    persons = dict.fromkeys(one["person"] for _, one in found if one.get("person"))
    if staff is not None and persons:
        yield f"They looked at {counted(len(persons), 'record')} on this page of the answer."


def _who(one: Entry) -> str:
    return str(one.get("reader") or one.get("recipient") or one.get("agency") or UNKNOWN)
