"""The checker finds every kind of broken promise that is planted, and nothing in honest runs."""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.disclosure_log.independent import audit_path, digest, tree_head
from tests.support.checker import Broken, History, LogDump, Posting, Reception, check

ORIGIN = "log.example.org/checker"
KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"checker").digest())
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"other").digest())
VKEY = (
    f"{ORIGIN}+00000000+" + base64.b64encode(b"\1" + KEY.public_key().public_bytes_raw()).decode()
)


def encode(op: str, **members: str) -> bytes:
    return json.dumps({"op": op, **members}, sort_keys=True, separators=(",", ":")).encode()


def disclosure(number: int, alert: str | None = None) -> bytes:
    return encode(
        "disclosure",
        alert=alert or f"alt_{number}",
        event=f"evt_{number}",
        recipient="police",
        endpoint="police/webhook",
    )


def attempt(number: int, outcome: str) -> bytes:
    return encode("attempt", alert=f"alt_{number}", outcome=outcome)


def note(leaves: list[bytes], key: Ed25519PrivateKey = KEY) -> str:
    root = base64.b64encode(tree_head(leaves)).decode()
    text = f"{ORIGIN}\n{len(leaves)}\n{root}\n"
    signature = base64.b64encode(bytes(4) + key.sign(text.encode())).decode()
    return f"{text}\n— {ORIGIN} {signature}\n"


def leaves_of(entries: list[bytes]) -> list[bytes]:
    return [digest(b"\0", entry) for entry in entries]


def proof(entries: list[bytes], index: int) -> str:
    leaves = leaves_of(entries)
    path = "".join(base64.b64encode(one).decode() + "\n" for one in audit_path(index, leaves))
    return f"c2sp.org/tlog-proof@v1\nindex {index}\n{path}\n{note(leaves)}"


def posting(number: int, **changes: Any) -> Posting:
    sent = Posting(
        id=f"own-{number}",
        digest=f"digest-{number}",
        answer="ok",
        receipt=f"rcp_{number}",
        events=(f"evt_{number}",),
    )
    return replace(sent, **changes)


def dump(entries: list[bytes], *extra: str) -> LogDump:
    notes = [note(leaves_of(entries[:size])) for size in range(1, len(entries) + 1)]
    return LogDump(vkey=VKEY, entries=tuple(entries), checkpoints=(*notes, *extra))


def reception(entries: list[bytes], number: int) -> Reception:
    entry = disclosure(number)
    index = entries.index(entry)
    text = proof(entries[: index + 1], index)
    return Reception(webhook_id=f"alt_{number}", body=text.encode(), entry=entry, proof=text)


def honest(count: int = 5) -> tuple[History, list[bytes]]:
    """Return an honest run: every event collected, told, delivered and recorded; and its log."""
    entries = [encode("genesis")]
    for number in range(count):
        entries += [encode("collection", event=f"evt_{number}"), disclosure(number)]
    entries += [attempt(number, "accepted") for number in range(count)]
    history = History(
        postings=tuple(posting(number) for number in range(count)),
        receptions=tuple(reception(entries, number) for number in range(count)),
        log=dump(entries),
    )
    return history, entries


HONEST, ENTRIES = honest()


def test_an_honest_run_breaks_no_promise() -> None:
    assert check(HONEST) == []


def test_an_empty_log_breaks_no_promise() -> None:
    entries = [encode("genesis")]
    assert check(History(postings=(), receptions=(), log=dump(entries))) == []


@pytest.mark.parametrize(
    "more",
    [
        pytest.param(posting(0), id="a repeat answered alike"),
        pytest.param(posting(0, answer="unknown", receipt="", events=()), id="an answer lost"),
        pytest.param(
            posting(9, answer="unknown", receipt="", events=()), id="a request that never came"
        ),
        pytest.param(
            posting(0, answer="fail", digest="other", receipt="", events=()), id="a conflict"
        ),
    ],
)
def test_what_a_sender_may_see_breaks_no_promise(more: Posting) -> None:
    assert check(replace(HONEST, postings=(*HONEST.postings, more))) == []


def test_an_accepted_event_whose_answer_was_lost_breaks_no_promise() -> None:
    unanswered = posting(0, answer="unknown", receipt="", events=())
    assert check(replace(HONEST, postings=(unanswered, *HONEST.postings[1:]))) == []


def test_a_delivery_repeated_byte_for_byte_breaks_no_promise() -> None:
    assert check(replace(HONEST, receptions=HONEST.receptions * 2)) == []


@pytest.mark.parametrize("outcome", ["rejected", "dead", "withheld"])
def test_an_alert_that_ends_in_a_visible_final_state_breaks_no_promise(outcome: str) -> None:
    entries = [attempt(0, outcome) if one == attempt(0, "accepted") else one for one in ENTRIES]
    assert check(History(postings=HONEST.postings, receptions=HONEST.receptions[1:],
                         log=dump(entries))) == []  # fmt: skip


def test_a_refused_and_a_quarantined_event_break_no_promise() -> None:
    entries = [
        *ENTRIES,
        encode("collection", event="evt_8"),
        encode("refusal", event="evt_8", recipient="*"),
        encode("collection", event="evt_9"),
    ]
    run = replace(
        HONEST,
        postings=(*HONEST.postings, posting(8), posting(9)),
        log=dump(entries),
        quarantined=frozenset({"evt_9"}),
    )
    assert check(run) == []


# -- planted faults -------------------------------------------------------------------------------

Plant = Callable[[], History]


def relogged(change: Callable[[list[bytes]], list[bytes]], **others: Any) -> History:
    """Return the honest run with a log that was never other than changed."""
    entries = change(list(ENTRIES))
    receptions = tuple(
        reception(entries, number) for number in range(5) if disclosure(number) in entries
    )
    return replace(HONEST, log=dump(entries), receptions=receptions, **others)


def without(entry: bytes) -> Callable[[list[bytes]], list[bytes]]:
    return lambda entries: [one for one in entries if one != entry]


def plus(*more: bytes) -> Callable[[list[bytes]], list[bytes]]:
    return lambda entries: [*entries, *more]


def lost_202() -> History:
    gone = {encode("collection", event="evt_2"), disclosure(2), attempt(2, "accepted")}
    return relogged(lambda entries: [one for one in entries if one not in gone])


def accepted_and_never_decided() -> History:
    gone = {disclosure(2), attempt(2, "accepted")}
    return relogged(lambda entries: [one for one in entries if one not in gone])


def accepted_though_never_sent() -> History:
    return relogged(
        plus(encode("collection", event="evt_x"), encode("refusal", event="evt_x", recipient="*"))
    )


def collected_twice() -> History:
    return relogged(plus(encode("collection", event="evt_2")))


def answered_twice_over() -> History:
    return replace(HONEST, postings=(*HONEST.postings, posting(0, receipt="rcp_new")))


def other_bytes_accepted() -> History:
    return replace(HONEST, postings=(*HONEST.postings, posting(0, digest="other")))


def two_decisions() -> History:
    return relogged(plus(disclosure(2)))


def two_alerts() -> History:
    return relogged(
        plus(disclosure(2, "alt_x"), encode("attempt", alert="alt_x", outcome="rejected"))
    )


def told_before_collected() -> History:
    def change(entries: list[bytes]) -> list[bytes]:
        first = encode("collection", event="evt_2")
        entries.remove(first)
        return [*entries, first]

    return relogged(change)


def undelivered() -> History:
    history = relogged(without(attempt(2, "accepted")))
    return replace(history, receptions=history.receptions[:2] + history.receptions[3:])


def delivered_and_not_recorded() -> History:
    return relogged(without(attempt(2, "accepted")))


def recorded_and_not_delivered() -> History:
    return replace(HONEST, receptions=HONEST.receptions[:-1])


def recorded_twice() -> History:
    return relogged(plus(attempt(2, "accepted")))


def delivered_without_entry() -> History:
    stray = replace(HONEST.receptions[0], webhook_id="alt_x", entry=disclosure(7, "alt_x"))
    return replace(HONEST, receptions=(*HONEST.receptions, stray))


def entry_of_another_alert() -> History:
    swapped = replace(
        HONEST.receptions[0], entry=HONEST.receptions[1].entry, proof=HONEST.receptions[1].proof
    )
    return replace(HONEST, receptions=(swapped, *HONEST.receptions[1:]))


def proof_of_another_place() -> History:
    moved = replace(HONEST.receptions[0], proof=HONEST.receptions[1].proof)
    return replace(HONEST, receptions=(moved, *HONEST.receptions[1:]))


def proof_with_another_path() -> History:
    one = HONEST.receptions[1]
    lines = one.proof.split("\n")
    lines[2] = base64.b64encode(bytes(32)).decode()
    broken = replace(one, proof="\n".join(lines))
    return replace(HONEST, receptions=(HONEST.receptions[0], broken, *HONEST.receptions[2:]))


def changed_id() -> History:
    entries = [*ENTRIES, disclosure(0, "alt_x"), attempt(0, "deferred")]
    index = len(ENTRIES)
    text = proof(entries[: index + 1], index)
    again = Reception(webhook_id="alt_x", body=b"x", entry=entries[index], proof=text)
    return replace(HONEST, log=dump(entries), receptions=(*HONEST.receptions, again))


def changed_body() -> History:
    again = replace(HONEST.receptions[0], body=b"sealed anew")
    return replace(HONEST, receptions=(*HONEST.receptions, again))


def log_rewritten() -> History:
    """The operator edits an entry and signs everything anew; receivers keep the old proofs."""
    entries = [attempt(3, "deferred") if one == attempt(0, "accepted") else one for one in ENTRIES]
    kept = note(leaves_of(ENTRIES))
    return replace(HONEST, log=dump(entries), seen=(kept,))


def log_cut() -> History:
    cut = list(ENTRIES[:-1])
    return replace(HONEST, log=dump(cut), seen=(note(leaves_of(ENTRIES)),))


def split_view() -> History:
    other = [*ENTRIES[:-1], attempt(4, "rejected")]
    return replace(HONEST, seen=(note(leaves_of(other)),))


def entries_after_the_last_checkpoint() -> History:
    log = replace(HONEST.log, checkpoints=HONEST.log.checkpoints[:-1])
    return replace(HONEST, log=log)


def signed_by_another_key() -> History:
    return replace(HONEST, seen=(note(leaves_of(ENTRIES), OTHER_KEY),))


@pytest.mark.parametrize(
    ("plant", "code"),
    [
        (lost_202, "lost"),
        (accepted_and_never_decided, "undecided"),
        (accepted_though_never_sent, "stray-events"),
        (collected_twice, "collected-twice"),
        (answered_twice_over, "two-answers"),
        (other_bytes_accepted, "other-bytes-accepted"),
        (two_decisions, "decided-twice"),
        (two_alerts, "two-alerts"),
        (told_before_collected, "told-before-collected"),
        (undelivered, "undelivered"),
        (delivered_and_not_recorded, "outcome-not-logged"),
        (recorded_and_not_delivered, "falsely-accepted"),
        (recorded_twice, "two-outcomes"),
        (delivered_without_entry, "delivered-without-entry"),
        (entry_of_another_alert, "entry-of-another"),
        (proof_of_another_place, "entry-not-at-index"),
        (proof_with_another_path, "proof-does-not-hold"),
        (changed_id, "id-changed"),
        (changed_body, "body-changed"),
        (log_rewritten, "log-rewritten"),
        (log_cut, "log-cut"),
        (split_view, "log-rewritten"),
        (entries_after_the_last_checkpoint, "entries-unsigned"),
        (signed_by_another_key, "not-signed"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__.replace("_", " "),
)
def test_a_planted_fault_is_named(plant: Plant, code: str) -> None:
    assert code in {broken.code for broken in check(plant())}


def test_a_fault_is_named_with_its_promise_and_its_event() -> None:
    assert Broken(promise="P1", code="lost", subject="evt_2") in check(lost_202())
