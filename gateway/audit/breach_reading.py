"""What a breach pack says in sentences: the clock, the sum, and what each controller is told."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from gateway.audit.asking import Asking
from gateway.audit.found import MOST
from gateway.audit.reading import counted, groups, when
from gateway.model.ids import AgencyName


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """One entry that a breach touches."""

    index: int
    at: str
    before: bool  # it is from before the time given
    controller: str  # agency that stated the event; "unknown"
    person: str
    exposed: str
    alert: str = ""
    recipient: str = ""
    endpoint: str = ""
    groups: tuple[str, ...] = ()
    left: str = ""
    read: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told72:
    """The clock of s.67(1)."""

    discovered: datetime
    due: datetime
    now: datetime


CAVEATS: Final = (
    (
        "The controller named is the agency that stated the event. Facts of other agencies may have"
        " been told with it: the recipients' copies of the alerts name them."
    ),
    (
        "The Commissioner is told the nature of the breach, the categories and approximate numbers"
        " of people and records, the data protection officer's contact, the likely consequences and"
        " the measures taken (s.67(4))."
    ),
    (
        "If it is likely to result in a high risk, the people themselves are told too (s.68),"
        " unless what was exposed was encrypted and its key is safe (s.68(3)(a))."
    ),
)


def reading(
    asking: Asking,
    kind: Literal["key", "endpoint", "agency"],
    found: Sequence[Exposure],
    clock: Told72,
    *,
    whole: bool = True,
) -> Iterator[str]:
    """Yield the sentences of a breach pack; not `whole`: it touches more than was looked at."""
    yield _clock(clock)
    if not whole:
        yield (
            f"THIS LIST IS NOT WHOLE: it stops at the newest {MOST} entries of a kind. Ask for each"
            " controller, or for an agency from a later time, and put the lists together."
        )
    if not found:
        yield "The log holds nothing of yours that it touches."
        return
    yield _sum(found)
    earlier = sum(one.before for one in found)
    if earlier:
        yield (
            f"From before the time given: {counted(earlier, 'entry', 'entries')}. What is older"
            " counts too: "
            + (
                "whoever has the key can open whatever they kept that was sealed to it."
                if kind == "key"
                else "whoever has the endpoint may find there what was kept."
            )
        )
    unread = len({one.alert for one in found if one.read == "unread" and one.alert})
    if unread:
        yield f"Still unread: {counted(unread, 'alert')}. Reach those recipients another way."
    waiting = len({one.alert for one in found if one.left.startswith("not yet")})
    if waiting:
        yield (
            f"Still to leave: {counted(waiting, 'alert')}. Revoke the key, or take the endpoint"
            " out of the directory, first: what is still to leave is then sealed anew or falls"
            " over."
        )
    for controller in sorted({one.controller for one in found}):
        yield _to_tell(asking, controller, [one for one in found if one.controller == controller])


def _clock(clock: Told72) -> str:
    hours = int((clock.due - clock.now).total_seconds() // 3600)
    rest = f"{hours} hours are left" if hours >= 0 else f"that was {-hours} hours ago; say why"
    return (
        f"Discovered {when(clock.discovered)}. Each controller tells the Commissioner by"
        f" {when(clock.due)} where feasible: 72 hours (s.67(1)); {rest}. The gateway's operator"
        " tells each controller without undue delay (s.67(9))."
    )


def _sum(found: Sequence[Exposure]) -> str:
    people = len({one.person for one in found})
    alerts = len({one.alert for one in found if one.alert})
    return (
        f"{counted(len(found), 'entry', 'entries')} about {counted(people, 'person', 'people')}:"
        f" {counted(alerts, 'alert')}, from {when(found[0].at)} to {when(found[-1].at)}."
    )


def _to_tell(asking: Asking, controller: str, own: Sequence[Exposure]) -> str:
    """Say what one controller is to be told."""
    known = asking.directory.agencies.get(AgencyName(controller))
    title = f" ({asking.law.catalogues.title_of(known.organisation_class)})" if known else ""
    people = len({one.person for one in own})
    held = {name for one in own for name in one.groups}
    order = [name for name in asking.law.catalogues.groups if name in held]
    facts = f" The facts: {groups(order)}." if order else " No facts were in them."
    times = sorted(one.at for one in own)
    return (
        f"Tell {controller}{title}: {counted(len(own), 'entry', 'entries')} about"
        f" {counted(people, 'person', 'people')}, first {when(times[0])}, last {when(times[-1])}."
        f"{facts}"
    )
