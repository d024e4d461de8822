"""Who was told: what one recipient learnt of a person, and everybody who learnt anything."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from gateway.audit.answer import Answer, Cell, Column
from gateway.audit.asking import Asking
from gateway.audit.questions_common import (
    PAGE,
    Entry,
    Indexed,
    Page,
    fate,
    framed,
    knows,
    page,
    standing,
)
from gateway.audit.reading import (
    Law,
    cells,
    counted,
    group_names,
    groups,
    listed,
    member_paths,
    reasons,
    spoken,
    when,
)
from gateway.audit.reading import (
    recipient as named,
)
from gateway.audit.reading_codes import MESSAGES, READINGS
from gateway.model.ids import PersonRef, RecipientId
from gateway.store import merges

_RowOf = Callable[[Asking, int, Entry], tuple[Sequence[Cell], tuple[int, ...]]]

_SAID: Final = 25  # alerts that the reading says one by one; the rows say all

_TOLD: Final = (
    Column(name="at", title="When", kind="time"),
    Column(name="what", title="What they were"),
    Column(name="alert", title="Alert", kind="ref"),
    Column(name="channel", title="By"),
    Column(name="endpoint", title="To", kind="ref"),
    Column(name="form", title="Form"),
    Column(name="groups", title="Told of", kind="list"),
    Column(name="members", title="Exactly", kind="list"),
    Column(name="withheld", title="Kept back", kind="list"),
    Column(name="rules", title="Rules", kind="list"),
    Column(name="bases", title="Legal bases", kind="list"),
    Column(name="rulebook", title="Rulebook", kind="ref"),
    Column(name="attempts", title="Attempts", kind="count"),
    Column(name="delivered", title="Delivered", kind="time"),
    Column(name="collected", title="Picked up", kind="time"),
    Column(name="answer", title="Their answer"),
    Column(name="answered", title="Answered", kind="time"),
    Column(name="standing", title="Now"),
    Column(name="entry", title="Entry", kind="entry"),
)
_KNOWS: Final = (
    Column(name="at", title="When", kind="time"),
    Column(name="recipient", title="Who", kind="ref"),
    Column(name="organisation", title="Organisation"),
    Column(name="role", title="Role"),
    Column(name="what", title="What they were or did"),
    Column(name="groups", title="Told of", kind="list"),
    Column(name="rules", title="Rules", kind="list"),
    Column(name="bases", title="Legal bases", kind="list"),
    Column(name="channel", title="By"),
    Column(name="alert", title="Alert", kind="ref"),
    Column(name="delivered", title="Delivered", kind="time"),
    Column(name="standing", title="Now"),
    Column(name="entry", title="Entry", kind="entry"),
)
_NOT_ALL: Final = ("What a recipient passed on by other ways, or knew before, is not in this log.",)


def told(
    asking: Asking,
    *,
    person: PersonRef,
    recipient: RecipientId,
    after: int | None = None,
    limit: int = PAGE,
) -> Answer:
    """Answer what a recipient learnt of a person: when, by which channel, under which rule."""
    query = asking.query(
        ("op", "disclosure"), ("recipient", recipient), any_of=(asking.about(person),)
    )
    found = page(asking, query, after, limit)
    who = named(asking, recipient) if found.found else recipient
    rows, entries = _rows(asking, found, _told_row)
    return framed(
        asking,
        question="told",
        title=f"What did {recipient} learn about this person?",
        asked={"person": person, "recipient": recipient},
        reading=tuple(_told_reading(asking, who, found.found)),
        columns=_TOLD,
        rows=rows,
        entries=entries,
        next_page=found.next,
        caveats=(
            *_NOT_ALL,
            *_mixed(asking, person, found.found),
            *_of_versions(asking, found.found),
        ),
    )


def who_knows(
    asking: Asking, *, person: PersonRef, after: int | None = None, limit: int = PAGE
) -> Answer:
    """Answer who was told about a person, of what, and what was put right since."""
    telling = (("op", "disclosure"), ("what", "alert"), ("what", "timeline"))
    query = asking.query(any_of=(telling, asking.about(person)))
    found = page(asking, query, after, limit) if knows(asking, person) else Page()
    rows, entries = _rows(asking, found, _knows_row)
    return framed(
        asking,
        question="who-knows",
        title="Who was told about this person?",
        asked={"person": person},
        reading=tuple(_knows_reading(asking, found.found)),
        columns=_KNOWS,
        rows=rows,
        entries=entries,
        next_page=found.next,
        caveats=(*_NOT_ALL, *_mixed(asking, person, found.found)),
    )


def _rows(asking: Asking, found: Page, row_of: _RowOf) -> tuple[list[Sequence[Cell]], list[int]]:
    """Return the rows of a page, and every entry that they rest on."""
    made = [row_of(asking, index, one) for index, one in found.found]
    rested = [index for index, _ in found.found]
    return [row for row, _ in made], [*rested, *(one for _, chain in made for one in chain)]


def _mixed(asking: Asking, person: PersonRef, found: Sequence[Indexed]) -> Iterator[str]:
    """Say when the person was taken for another: what was told of that one may hold their facts."""
    for one in merges.history(asking.reader, person) if found else ():
        if one.undone_at is not None:
            yield (
                f"From {when(one.merged_at)} to {when(one.undone_at)} this person and another were"
                " taken for one: alerts of that time about the other may hold facts of this one."
                " `merge` lists them."
            )


def _told_row(asking: Asking, index: int, one: Entry) -> tuple[Sequence[Cell], tuple[int, ...]]:
    law = Law.of(asking, one["rulebook"])
    of, grants = fate(asking, one["alert"]), one["grants"]
    answer = of.answer
    row: list[Cell] = [
        one["at"],
        MESSAGES.get(one["message"], one["message"]),
        one["alert"],
        one["channel"],
        one["endpoint"],
        one["form"],
        cells(group_names(member_paths(one))),
        cells(member_paths(one)),
        cells(f"{held['group']}: {law.reason(held)}" for held in one["withheld"]),
        cells(dict.fromkeys(grant["rule"] for grant in grants)),
        cells(dict.fromkeys(law.basis(grant["basis"]) for grant in grants)),
        one["rulebook"],
        of.tries(one["endpoint"]),
        of.reached(one["endpoint"]),
        of.collected,
        answer["answer"] if answer else None,
        answer["at"] if answer else None,
        "kept from leaving"
        if of.kept_back(one["endpoint"])
        else standing(asking, one["alert"], of),
        index,
    ]
    return row, of.entries


def _told_reading(asking: Asking, who: str, found: Sequence[Indexed]) -> Iterator[str]:
    alerts = _by_alert(found)
    if not alerts:
        yield (
            f"The log holds no disclosure about this person to {who} that you may see. To learn why"
            " not, ask for refusals."
        )
        return
    first, last = alerts[0][0]["at"], alerts[-1][0]["at"]
    span = f"on {when(first)}" if first == last else f"between {when(first)} and {when(last)}"
    yield f"{who} was sent {counted(len(alerts), 'alert')} about this person, {span}."
    for parts in alerts[:_SAID]:
        yield _alert_said(asking, parts)
    if len(alerts) > _SAID:
        yield f"{counted(len(alerts) - _SAID, 'more alert')} on this page: see the rows."


def _alert_said(asking: Asking, parts: Sequence[Entry]) -> str:
    one = parts[0]
    law, of = Law.of(asking, one["rulebook"]), fate(asking, one["alert"])
    # A later step leaves only when the ones before failed or nobody answered.
    ways = [part for part in parts if part.get("step", 1) == 1 or of.tries(part["endpoint"])]
    channels = listed(dict.fromkeys(_way(part) for part in ways or parts))
    said = [f"On {when(one['at'])}, by {channels}, they were {_what(one)}."]
    if one["grants"]:
        rest = [law.grant(grant) for grant in one["grants"]]
        said.append(f"By {listed(rest)}; {law.version}.")
    held = reasons(law, one["withheld"])
    if held:
        kept = groups(dict.fromkeys(part["group"] for part in one["withheld"]))
        said.append(f"Kept back, in whole or part: {kept}.")
    reached, answer = of.reached(), of.answer
    tries = sum(of.tries(part["endpoint"]) for part in parts)
    said.append(
        f"Delivered on {when(reached)}, after {counted(tries, 'attempt')}."
        if reached
        else f"Not delivered so far, after {counted(tries, 'attempt')}."
    )
    if of.collected is None and not any(part["form"] == "sealed" for part in parts):
        said.append(
            "Nothing sent held a fact; they waited at a pick-up page, and wait there still."
        )
    if of.collected:
        said.append(f"Picked up on {when(of.collected)}.")
    if answer:
        said.append(f"They {answer['answer']} it on {when(answer['at'])}, by {answer['means']}.")
    elif one.get("acknowledge_by"):
        said.append(
            f"Nobody has answered; an answer was asked for by {when(one['acknowledge_by'])}."
        )
    said.append(f"Now {standing(asking, one['alert'], of)}.")
    return " ".join(said)


def _way(one: Entry) -> str:
    return str(one["channel"]) + ("" if one["form"] == "sealed" else " (a notice without facts)")


def _what(one: Entry) -> str:
    """Return what a disclosure did: "told: who the person is, MAPPA status"."""
    said = MESSAGES.get(one["message"], one["message"])
    names = group_names(member_paths(one))
    exercise = ", in an exercise about nobody" if one.get("exercise") else ""
    return f"{said}{': ' if names else ''}{groups(names) if names else ''}{exercise}"


def _of_versions(asking: Asking, found: Sequence[Indexed]) -> Iterator[str]:
    for digest in dict.fromkeys(one["rulebook"] for _, one in found):
        if not Law.of(asking, digest).asked:
            yield (
                f"The text of rulebook {digest[:16]} was not kept: its rules are said in the words"
                " of the one in force now."
            )


def _knows_row(asking: Asking, index: int, one: Entry) -> tuple[Sequence[Cell], tuple[int, ...]]:
    reader = one.get("recipient") or one.get("reader") or one.get("agency")
    known = asking.directory.recipients.get(RecipientId(reader or ""))
    who: list[Cell] = [
        one["at"],
        reader,
        known.organisation if known else one.get("agency"),
        one.get("role") or (known.role if known else None),
    ]
    if one["op"] == "consultation":
        return [*who, _read(one), *(None,) * 4, one.get("alert"), None, None, index], ()
    law, of = Law.of(asking, one["rulebook"]), fate(asking, one["alert"])
    kept_back = of.kept_back(one["endpoint"])
    row: list[Cell] = [
        *who,
        MESSAGES.get(one["message"], one["message"]),
        cells(group_names(member_paths(one))),
        cells(dict.fromkeys(grant["rule"] for grant in one["grants"])),
        cells(dict.fromkeys(law.basis(grant["basis"]) for grant in one["grants"])),
        one["channel"],
        one["alert"],
        of.reached(one["endpoint"]),
        "kept from leaving" if kept_back else standing(asking, one["alert"], of),
        index,
    ]
    return row, of.entries


def _read(one: Entry) -> str:
    said = f"read {READINGS.get(one['what'], spoken(one['what']))}"
    return f"{said}, and was shown nothing" if one.get("shown") == 0 else said


def _knows_reading(asking: Asking, found: Sequence[Indexed]) -> Iterator[str]:
    disclosures = [(index, one) for index, one in found if one["op"] == "disclosure"]
    readings = [one for _, one in found if one["op"] == "consultation"]
    if not disclosures:
        yield "The log holds no disclosure about this person that you may see."
    by_recipient: dict[str, list[list[Entry]]] = {}
    for parts in _by_alert(disclosures):
        by_recipient.setdefault(parts[0]["recipient"], []).append(parts)
    if by_recipient:
        yield (
            f"{counted(len(by_recipient), 'recipient was', 'recipients were')} sent alerts about"
            " this person (DPA 2018 s.45(2)(c): recipients to whom data were disclosed)."
        )
    for id_, alerts in by_recipient.items():
        yield _knows_said(asking, id_, alerts)
    timelines = [one for one in readings if one["what"] == "timeline" and one.get("shown")]
    if timelines:
        readers = dict.fromkeys(
            str(one.get("reader") or one.get("agency") or UNNAMED) for one in timelines
        )
        yield f"The person's timeline was read by {listed(readers)}."


UNNAMED: Final = "somebody who did not say for whom"


def _knows_said(asking: Asking, id_: str, alerts: Sequence[Sequence[Entry]]) -> str:
    names = group_names(path for parts in alerts for path in member_paths(parts[0]))
    days = dict.fromkeys(f"on {when(parts[0]['at'])}" for parts in alerts)
    said = [
        f"{named(asking, id_)} was sent {counted(len(alerts), 'alert')}, {listed(days)}"
        + (f": {groups(names)}." if names else ", with no fact in it.")
    ]
    facts = [parts[0] for parts in alerts if parts[0]["grants"]]
    righted = [
        one for one in facts if fate(asking, one["alert"]).put_right(one["alert"]) is not None
    ]
    if righted:
        newest = righted[-1]
        said.append(
            f"{len(righted)} of {counted(len(facts), 'alert')} with facts were put right since:"
            f" the last was {standing(asking, newest['alert'], fate(asking, newest['alert']))}."
        )
    if facts and not any(fate(asking, parts[0]["alert"]).reached() for parts in alerts):
        said.append("None of it has been delivered so far.")
    return " ".join(said)


def _by_alert(found: Sequence[Indexed]) -> list[list[Entry]]:
    """Return disclosures by alert, whatever the endpoints, the oldest alert first."""
    alerts: dict[str, list[Entry]] = {}
    for _, one in reversed(found):
        alerts.setdefault(one["alert"], []).append(one)
    return list(alerts.values())
