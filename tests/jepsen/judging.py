"""What the times of a run say: logged before sent, repeats explained, order kept, answers kept.

`tests.support.checker` judges the histories as sets; what follows needs to know when each happened.
"""

import itertools
import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from tests.jepsen.reading import Recorded, Seen, entries_by, entry_of, postings, receptions
from tests.support.checker import Broken, History, check

RECOVERY_S: Final = 8.0  # after a fault: a restart, or a lease that ends


def judge(found: Recorded) -> list[Broken]:
    """Return every broken promise of a run, each once."""
    if found.log is None or found.left is None:
        return []
    history = History(
        postings=postings(found),
        receptions=receptions(found),
        log=found.log,
        seen=tuple(found.notes),
        quarantined=frozenset(found.left["quarantined"]),
    )
    broken = [
        *check(history),
        *(Broken(promise="P9", code="second-verifier", subject=one) for one in found.problems),
        *_settled(found),
        *_refused_by_error(found),
        *_opened(found),
        *_logged_before_sent(found),
        *_repeats(found),
        *_order(found),
        *_answers(found),
    ]
    return list(dict.fromkeys(broken))


def _settled(found: Recorded) -> Iterator[Broken]:
    """P4: healed, the gateway takes every post and comes to the end of what it owes."""
    assert found.left is not None
    for text in found.left["unready"]:
        yield Broken(promise="P18", code="not-ready-in-the-end", subject=text)
    for id_ in found.left["unanswered"]:
        yield Broken(promise="P1", code="not-accepted-in-the-end", subject=id_)
    for alert, _endpoint in found.left["owed"]:
        yield Broken(promise="P4", code="still-owed", subject=alert)
    if found.stopped is not None and found.stopped["code"] != 0:
        yield Broken(promise="P18", code="no-orderly-stop", subject=str(found.stopped["code"]))


def _refused_by_error(found: Recorded) -> Iterator[Broken]:
    """P4: no fault of a server's is the reason that somebody is not told, for good."""
    assert found.log is not None
    for body in found.log.entries:
        entry = json.loads(body)
        if entry["op"] == "refusal" and any(
            reason["code"] == "evaluation-error" for reason in entry.get("reasons", ())
        ):
            yield Broken(promise="P4", code="refused-by-error", subject=entry["event"])


def _opened(found: Recorded) -> Iterator[Broken]:
    """P7: what arrives opens with the key of whom it came to."""
    for one in found.deliveries:
        if one.first["entry"] is None:
            yield Broken(promise="P7", code="does-not-open", subject=one.first["alert"])


def _logged_before_sent(found: Recorded) -> Iterator[Broken]:
    """P6: whoever asks for the log once an alert has come is shown one that has its entry."""
    looks = sorted(
        (one for one in found.checkpoints if one.state == "ok"), key=lambda one: one.began
    )
    smallest: list[int] = []  # of this look and all later ones
    for one in reversed(looks):
        size = int(one.last["note"].split("\n")[1])
        smallest.append(min(size, smallest[-1]) if smallest else size)
    smallest.reverse()
    index_of = {alert: entries[0][0] for alert, entries in entries_by(found, "disclosure").items()}
    deliveries = sorted(found.deliveries, key=lambda one: one.began)
    at = 0
    for one in deliveries:
        while at < len(looks) and looks[at].began < one.began:
            at += 1
        index = index_of.get(one.first["alert"])
        if index is not None and at < len(looks) and smallest[at] <= index:
            yield Broken(promise="P6", code="sent-before-logged", subject=one.first["alert"])


def _repeats(found: Recorded) -> Iterator[Broken]:
    """P5: an alert comes again only where the log has a failed try, or a fault cut its record."""
    attempts = entries_by(found, "attempt")
    by_alert: defaultdict[str, list[Seen]] = defaultdict(list)
    for one in found.deliveries:
        by_alert[one.first["alert"]].append(one)
    for alert, arrived in by_alert.items():
        arrived.sort(key=lambda one: one.began)
        retries = sum(entry["outcome"] == "deferred" for _, entry in attempts.get(alert, ()))
        unexplained = sum(
            not _disrupted(found, one.began, two.began) for one, two in itertools.pairwise(arrived)
        )
        if unexplained > retries:
            yield Broken(promise="P5", code="repeat-unexplained", subject=alert)


def _disrupted(found: Recorded, since: float, until: float) -> bool:
    return any(
        fault.first["disrupts"]
        and fault.began <= until
        and (fault.ended is None or since <= fault.ended + RECOVERY_S)
        for fault in found.faults
    )


def _order(found: Recorded) -> Iterator[Broken]:
    """P4: at one endpoint, an alert about a person comes when those before it came to an end."""
    ends = entries_by(found, "attempt")
    first: dict[str, Seen] = {}
    taken: dict[str, float] = {}  # alert -> when its receiver first took it
    for one in sorted(found.deliveries, key=lambda one: one.began):
        if one.first["entry"] is not None:
            first.setdefault(one.first["alert"], one)
            if one.last.get("status") == 204:
                taken.setdefault(one.first["alert"], one.began)
    lanes: defaultdict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for alert, one in first.items():
        entry = json.loads(entry_of(one))
        lanes[entry["person"], entry["endpoint"]].append((entry["at"], alert))
    for lane in lanes.values():
        lane.sort()
        for (at, earlier), (then, later) in itertools.pairwise(lane):
            if at == then:
                continue  # decided in one moment: neither is the first
            given_up = {entry["outcome"] for _, entry in ends.get(earlier, ())} & {
                "withheld", "rejected", "dead"
            }  # fmt: skip
            if not given_up and taken.get(earlier, float("inf")) > first[later].began:
                yield Broken(promise="P4", code="out-of-order", subject=f"{earlier} {later}")


def _answers(found: Recorded) -> Iterator[Broken]:
    """P1: an answer that was taken is in the log."""
    kept = entries_by(found, "acknowledgement")
    for one in found.answers:
        said = {entry["answer"] for _, entry in kept.get(one.first["alert"], ())}
        if one.state == "ok" and one.first["answer"] not in said:
            yield Broken(promise="P1", code="answer-lost", subject=one.first["alert"])
