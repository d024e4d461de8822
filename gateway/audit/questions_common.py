"""What answers have in common: a page of entries, what became of an alert, the answer's frame."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway.audit.answer import Answer, Cell, Column
from gateway.audit.asking import Asking
from gateway.audit.reading import when
from gateway.audit.reading_codes import RECALLED
from gateway.model.ids import PersonRef
from gateway.store.log_index import Query, search

PAGE: Final = 100
PUTS_RIGHT: Final = ("CORRECTION", "RECALL")
_CHAIN: Final = 1000  # entries of one alert that are looked at

_DEALINGS: Final = (
    *(
        ("op", op)
        for op in ("collection", "alteration", "combination", "disclosure", "refusal", "decision")
    ),
    ("what", "alert"),
    ("what", "timeline"),
)

Entry = Mapping[str, Any]
Indexed = tuple[int, dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of what a query found and the asker may see, newest first."""

    found: Sequence[Indexed] = ()
    next: str | None = None


def page(asking: Asking, query: Query, after: int | None, limit: int) -> Page:
    """Return one page of what a query finds; `after` is the `next` of the page before."""
    found = search(asking.reader, query, after=after, limit=limit)
    seen = [(index, one) for index, one in found.entries if asking.sees(one)]
    return Page(found=seen, next=None if found.next is None else str(found.next))


def knows(asking: Asking, person: PersonRef) -> bool:
    """Return whether an asker's own organisations have anything to do with a person.

    Questions they asked in vain are not enough: seeing those again would tell whom others know.
    """
    if asking.scope.everything:
        return True
    query = asking.query(any_of=(_DEALINGS, asking.about(person)))
    after: int | None = None
    while True:
        found = search(asking.reader, query, after=after, limit=PAGE)
        if any(asking.sees(one) and one.get("shown") != 0 for _, one in found.entries):
            return True
        after = found.next
        if after is None:
            return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What the log says became of one alert."""

    chain: tuple[Indexed, ...]  # every entry that names it, oldest first

    def of(self, op: str) -> Iterator[Entry]:
        """Yield its entries of one operation, oldest first."""
        yield from (one for _, one in self.chain if one["op"] == op)

    @property
    def entries(self) -> tuple[int, ...]:
        """Their leaf indexes."""
        return tuple(index for index, _ in self.chain)

    def tries(self, endpoint: str) -> int:
        """Return how often it was tried over an endpoint."""
        return sum(_is_try(one) and one["endpoint"] == endpoint for one in self.of("attempt"))

    def reached(self, endpoint: str | None = None) -> str | None:
        """Return when an endpoint first took it; None: it has not, as far as is known."""
        for one in self.of("attempt"):
            if one["outcome"] == "accepted" and endpoint in (None, one["endpoint"]):
                return str(one["at"])
        return None

    def kept_back(self, endpoint: str) -> bool:
        """Return whether it was kept from leaving before any attempt."""
        of_it = [one for one in self.of("attempt") if one["endpoint"] == endpoint]
        return bool(of_it) and of_it[-1]["outcome"] == "withheld" and not self.reached(endpoint)

    @property
    def answer(self) -> Entry | None:
        """The newest answer of a human."""
        return next(reversed(list(self.of("acknowledgement"))), None)

    @property
    def collected(self) -> str | None:
        """When it was first picked up."""
        return next((str(one["at"]) for one in self.of("consultation")), None)

    def put_right(self, alert: str) -> Indexed | None:
        """Return the newest correction or recall of it."""
        found = [
            (index, one)
            for index, one in self.chain
            if one["op"] == "disclosure"
            and one.get("supersedes") == alert
            and one["message"] in PUTS_RIGHT
        ]
        return found[-1] if found else None

    def newer(self, alert: str) -> Indexed | None:
        """Return the newest update of it."""
        found = [
            (index, one)
            for index, one in self.chain
            if one["op"] == "disclosure"
            and one.get("supersedes") == alert
            and one["message"] not in PUTS_RIGHT
        ]
        return found[-1] if found else None


def fate(asking: Asking, alert: str) -> Fate:
    """Return what became of an alert; looked up once for each answer."""
    known: Fate | None = asking.found.get(alert)
    if known is None:
        found = search(asking.reader, Query(terms=(("alert", alert),)), limit=_CHAIN)
        known = Fate(chain=tuple(one for one in reversed(found.entries) if asking.sees(one[1])))
        asking.found[alert] = known
    return known


def standing(asking: Asking, alert: str, of: Fate) -> str:
    """Return whether an alert still stands, in words."""
    righted = of.put_right(alert)
    if righted is None:
        newer = of.newer(alert)
        return (
            f"in force, with newer information of {when(newer[1]['at'])}" if newer else "in force"
        )
    _, entry = righted
    what = "recalled" if entry["message"] == "RECALL" else "corrected"
    why = RECALLED.get(str(entry.get("reason")), "")
    because = f": {why}" if why else ""
    reached = fate(asking, entry["alert"]).reached()
    arrived = f"that reached them on {when(reached)}" if reached else "that has not reached them"
    return f"{what} on {when(entry['at'])}{because}; {arrived}"


def framed(
    asking: Asking,
    *,
    question: str,
    title: str,
    asked: Mapping[str, str | None],
    reading: Sequence[str],
    columns: Sequence[Column],
    rows: Iterable[Sequence[Cell]],
    entries: Iterable[int],
    next_page: str | None = None,
    caveats: Iterable[str] = (),
) -> Answer:
    """Return an answer as of the newest checkpoint, its entries in order."""
    size, note = asking.checkpoint
    entries = tuple(sorted(set(entries)))
    # Whom nobody knows and whom somebody else knows of are alike: nothing says which it was.
    out = {"person"} if not entries and not asking.scope.everything else set()
    partly = (
        ("More of the log answers this: ask for the next page.",) if next_page is not None else ()
    )
    return Answer(
        question=question,
        title=title,
        asked={
            name: value for name, value in asked.items() if value is not None and name not in out
        },
        reading=(*reading, *partly),
        columns=tuple(columns),
        rows=tuple(tuple(row) for row in rows),
        entries=entries,
        size=size,
        checkpoint=note,
        next_page=next_page,
        caveats=tuple(dict.fromkeys((*caveats, *_within(asking)))),
    )


def _within(asking: Asking) -> Iterator[str]:
    if not asking.scope.everything:
        yield (
            "This shows what your own organisations sent or received. What others sent or received "
            "is for them to answer for."
        )


def _is_try(entry: Entry) -> bool:
    return entry["outcome"] not in {"withheld", "retried"}
