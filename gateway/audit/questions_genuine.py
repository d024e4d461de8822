"""Whether an alert in somebody's hand is genuine, logged, witnessed and still in force."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import orjson

from gateway.audit.answer import Answer, Cell, Column
from gateway.audit.asking import Asking
from gateway.audit.questions_common import Indexed, fate, framed, standing
from gateway.audit.reading import listed, when
from gateway.audit.reading import recipient as named
from gateway.audit.reading_codes import MESSAGES
from gateway.disclosure_log import proof
from gateway.disclosure_log.problem import BadCheckpoint, BadProof
from gateway.store import witnessed
from gateway.store.log_index import Query, search

_ALIKE: Final = 5  # alerts that may share a reference before nothing is said of any
_CHECKS: Final = (
    Column(name="alert", title="Alert", kind="ref"),
    Column(name="check", title="Is it"),
    Column(name="holds", title="Holds"),
    Column(name="detail", title="Because"),
    Column(name="entry", title="Entry", kind="entry"),
)
_UNKNOWN: Final = (
    "Nothing in this log that you may see is that alert. Do not act on it. Ring the agency it says"
    " it is from, on a number you already have, and tell whoever runs this gateway."
)
_CONTENT: Final = (
    "This is about the alert of that reference. That the words in your hand are its words, its"
    " signature shows: `throughgate verify signature` (webhooks) or your mail program (S/MIME)."
)


def genuine(
    asking: Asking,
    *,
    alert: str | None = None,
    entry: bytes | None = None,
    tlog_proof: str | None = None,
) -> Answer:
    """Answer whether an alert is genuine, logged, witnessed and in force.

    Args:
        asking: Who asks.
        alert: Its id, or the 12 characters that end it, as notices print.
        entry: The log entry its recipient holds, byte for byte.
        tlog_proof: The proof its recipient holds.

    Raises:
        ValueError: neither an id or reference nor an entry is given.
    """
    if (alert is None) == (entry is None):
        raise ValueError("give an alert, or the entry that came with one")
    held = _held(asking, entry, tlog_proof) if entry is not None else None
    found = _disclosures(asking, alert) if alert is not None else []
    rows: list[Sequence[Cell]] = []
    said: list[str] = []
    entries: list[int] = []
    if held is not None:
        rows.append(held)
        found = _disclosures(asking, str(held[0])) if held[0] else []
    for alert_id in dict.fromkeys(one["alert"] for _, one in found):
        own = [(index, one) for index, one in found if one["alert"] == alert_id]
        rows += _checked(asking, own)
        said.append(_said(asking, own))
        entries += [index for index, _ in own] + list(fate(asking, alert_id).entries)
    if held is not None and not held[2]:
        said.insert(0, f"The entry you hold is not to be trusted: {held[3]}.")
    return framed(
        asking,
        question="genuine",
        title="Is this alert genuine, and does it still stand?",
        asked={"alert": alert if found else None},
        reading=said or [_UNKNOWN],
        columns=_CHECKS,
        rows=rows,
        entries=entries,
        caveats=(_CONTENT,) if found else (),
    )


def _held(asking: Asking, body: bytes, text: str | None) -> Sequence[Cell]:
    """Return what is found out about an entry, and the proof with it, that a recipient holds."""
    alert = _alert_of(body)
    if alert is None:
        return (None, "an entry of this log", False, "it is no entry of a disclosure", None)
    logged = next(
        (
            index
            for index, one in _disclosures(asking, alert)
            if asking.reader.execute(_BODY, (index,)).get == body
        ),
        None,
    )
    if logged is None:
        why = "this log holds no such entry, byte for byte, that you may see"
        return (None, "an entry of this log", False, why, None)
    if text is not None:
        try:
            proven = proof.verify(text, entry=body, verifiers=list(asking.verifiers))
        except (BadProof, BadCheckpoint) as error:
            return (
                alert,
                "proved by its own proof",
                False,
                f"the proof does not hold: {error}",
                logged,
            )
        if proven.index != logged:
            return (
                alert,
                "proved by its own proof",
                False,
                "the proof is of another entry",
                logged,
            )
    return (alert, "an entry of this log", True, "byte for byte", logged)


def _alert_of(body: bytes) -> str | None:
    try:
        read: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    alert = read.get("alert") if isinstance(read, dict) else None
    return alert if isinstance(alert, str) else None


def _disclosures(asking: Asking, alert: str) -> list[Indexed]:
    """Return the disclosures of an alert, by its id or its reference, that the asker may see."""
    ids = [alert]
    if not alert.startswith("alt_"):
        rows = asking.reader.execute(_BY_REFERENCE, (alert, _ALIKE))
        ids = [id_ for (id_,) in rows]
    found: list[Indexed] = []
    for id_ in ids:
        query = Query(terms=(("op", "disclosure"), ("alert", id_)))
        own = search(asking.reader, query, limit=100).entries
        found += [(i, one) for i, one in reversed(own) if one["alert"] == id_ and asking.sees(one)]
    return found


def _checked(asking: Asking, own: Sequence[Indexed]) -> Iterator[Sequence[Cell]]:
    index, one = own[0]
    alert = one["alert"]
    of = fate(asking, alert)
    who, at = named(asking, one["recipient"]), when(one["at"])
    yield alert, "known to this gateway", True, f"sent to {who}, on {at}", index
    for each, _ in own:
        logged = _included(asking, each)
        why = "its inclusion proof holds, against a checkpoint this log signed"
        yield alert, "logged", logged, why if logged else "its inclusion proof does not hold", each
    size = _witnessed_to(asking, index)
    yield (
        alert,
        "witnessed",
        size is not None,
        f"witnesses signed the log at {size} entries"
        if size is not None
        else "no checkpoint that covers it has enough witnesses' signatures yet",
        index,
    )
    righted = of.put_right(alert)
    stands = righted is None and of.newer(alert) is None
    yield alert, "in force", stands, standing(asking, alert, of), righted[0] if righted else index
    reached = of.reached()
    yield alert, "delivered", reached is not None, when(reached) if reached else "not so far", None
    answer = of.answer
    answered = f"{answer['answer']} on {when(answer['at'])}" if answer else "nobody has answered"
    yield alert, "answered", answer is not None, answered, None


def _said(asking: Asking, own: Sequence[Indexed]) -> str:
    index, one = own[0]
    of = fate(asking, one["alert"])
    what = MESSAGES.get(one["message"], one["message"])
    exercise = " It is an exercise, about nobody." if one.get("exercise") else ""
    logged = all(_included(asking, each) for each, _ in own)
    size = _witnessed_to(asking, index)
    return (
        f"Alert {one['alert']} is genuine: {named(asking, one['recipient'])} was {what}"
        f" on {when(one['at'])}, by {listed(_channels(own))}."
        f" It {'is' if logged else 'IS NOT PROVABLY'} in the log"
        f" {'and witnessed' if size is not None else 'and not witnessed so far'}."
        f" It is {standing(asking, one['alert'], of)}.{exercise}"
    )


def _channels(own: Sequence[Indexed]) -> Iterable[str]:
    """Return the ways it leaves by at once; later steps leave only if those fail."""
    return dict.fromkeys(one["channel"] for _, one in own if one.get("step", 1) == 1)


def _included(asking: Asking, index: int) -> bool:
    """Return whether an entry's inclusion proof holds, made and checked now."""
    text = witnessed.prove(asking.reader, index)
    if text is None:
        return False
    body = asking.reader.execute(_BODY, (index,)).get
    try:
        proof.verify(text, entry=body, verifiers=list(asking.verifiers))
    except (BadProof, BadCheckpoint):
        return False
    return True


def _witnessed_to(asking: Asking, index: int) -> int | None:
    found = witnessed.covering(asking.reader, index)
    return found[0] if found else None


_BODY: Final = "SELECT body FROM log_entry WHERE idx = ?"
_BY_REFERENCE: Final = "SELECT id FROM alert WHERE substr(id, -12) = ? LIMIT ?"
