"""Reports: what became of one alert, or nothing; never a person, never an error."""

import tracemalloc
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bounces.report import MAX_MESSAGE_BYTES, Aside, AsideCode, read_report
from gateway.model.outcome import Receipt
from tests.bounces.reports import EXIM, GMAIL, OTHER, PERSONAL, a_group, a_mail, a_report
from tests.channels.parcels import ALERT

NO_ID: dict[str, Any] = {"envelope_id": None, "message_id": None, "to": "bounces@example.org"}


def _receipt(state: Any, code: str) -> Receipt:
    return Receipt(alert=ALERT, channel="email", state=state, code=code)


@pytest.mark.parametrize(
    ("action", "status", "expected"),
    [
        ("failed", "5.1.1", _receipt("failed", "dsn-5.1.1")),
        ("failed", "4.4.1", _receipt("failed", "dsn-4.4.1")),
        ("Failed", "5.7.26 (refused by policy)", _receipt("failed", "dsn-5.7.26")),
        ("delayed", "4.4.7", _receipt("delayed", "dsn-4.4.7")),
        ("DELIVERED", "2.0.0", _receipt("delivered", "dsn-2.0.0")),
        ("delivered (to mailbox)", "2.1.5", _receipt("delivered", "dsn-2.1.5")),
        ("relayed", "2.0.0", Aside(code="relayed")),
        ("expanded", "2.1.5", Aside(code="relayed")),
        ("delivered", "5.1.1", Aside(code="inconsistent")),
        ("failed", "2.0.0", Aside(code="inconsistent")),
        ("delayed", "5.0.0", Aside(code="inconsistent")),
        ("lost", "5.0.0", Aside(code="malformed")),
        ("failed", "5.1", Aside(code="malformed")),
        ("failed", "5.1.1111", Aside(code="malformed")),
        ("failed", "6.1.1", Aside(code="malformed")),
        ("failed", "5.1.1x", Aside(code="malformed")),
        ("", "5.1.1", Aside(code="malformed")),
        ("failed", "", Aside(code="malformed")),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_an_action_and_a_status_come_to_a_state_and_a_code(
    action: str, status: str, expected: Receipt | Aside, end: str
) -> None:
    assert read_report(a_report(a_group(action, status), end=end)) == expected


@pytest.mark.parametrize(
    "named",
    [
        {"envelope_id": ALERT},
        {"to": f"bounces+{ALERT}@gateway.example.org"},
        {"to": f"Bounces <bounces+{ALERT}@gateway.example.org>"},
        {"message_id": f"<{ALERT}@gateway.example.org>"},
        {"message_id": f"<{ALERT}@gateway.example.org>", "returned_type": "message/rfc822"},
        {"envelope_id": ALERT, "message_id": "<of-another-system@example.org>"},
        {"envelope_id": "of-another-system", "message_id": f"<{ALERT}@gateway.example.org>"},
    ],
    ids=["envelope", "return-path", "display-name", "headers", "message", "first", "last"],
)
def test_any_one_way_of_naming_the_alert_is_enough(named: dict[str, Any]) -> None:
    assert read_report(a_report(**(NO_ID | named))) == _receipt("failed", "dsn-5.1.1")


@pytest.mark.parametrize(
    "named",
    [
        {"envelope_id": OTHER},
        {"message_id": f"<{OTHER}@gateway.example.org>"},
        {"to": f"bounces+{OTHER}@gateway.example.org"},
    ],
    ids=["envelope", "headers", "return-path"],
)
def test_a_report_that_names_two_alerts_is_about_neither(named: dict[str, Any]) -> None:
    assert read_report(a_report(**named)) == Aside(code="conflicting")


@pytest.mark.parametrize(
    "named",
    [
        {},
        {"envelope_id": f"x{ALERT}"},
        {"envelope_id": ALERT.upper()},
        {"message_id": f"<x{ALERT}@gateway.example.org>"},
        {"message_id": f"<{ALERT}@gateway.example.org>", "returned_type": "text/plain"},
        {"to": f"{ALERT}@gateway.example.org"},
        {"to": "bounces+alt_1@gateway.example.org"},
    ],
    ids=["none", "prefix", "case", "message-id", "type", "no-plus", "no-id"],
)
def test_a_report_on_no_alert_of_ours_says_nothing(named: dict[str, Any]) -> None:
    assert read_report(a_report(**(NO_ID | named))) == Aside(code="no-alert")


@pytest.mark.parametrize("path", ["<>", "<MAILER-DAEMON>", "<mailer-daemon@mail.example.org>"])
def test_the_empty_sender_is_known_however_a_mail_system_writes_it(path: str) -> None:
    assert read_report(a_report(return_path=path)) == _receipt("failed", "dsn-5.1.1")


@pytest.mark.parametrize(
    ("message", "code"), [(GMAIL, "dsn-5.1.1"), (EXIM, "dsn-5.0.0")], ids=["nested", "unquoted"]
)
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_the_shapes_other_mail_systems_give_a_report_are_read(
    message: str, code: str, end: str
) -> None:
    assert read_report(message.replace("\n", end).encode()) == _receipt("failed", code)


def test_a_returned_message_that_was_damaged_on_the_way_does_not_hide_a_failure() -> None:
    damaged = a_report(message_id="<x>\nno field at all")
    assert read_report(damaged) == _receipt("failed", "dsn-5.1.1")


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ([("delivered", "2.0.0"), ("failed", "5.2.2")], _receipt("failed", "dsn-5.2.2")),
        ([("failed", "5.2.2"), ("delivered", "2.0.0")], _receipt("failed", "dsn-5.2.2")),
        ([("delivered", "2.0.0"), ("delayed", "4.2.2")], _receipt("delayed", "dsn-4.2.2")),
        ([("relayed", "2.0.0"), ("failed", "5.2.2")], _receipt("failed", "dsn-5.2.2")),
        ([("expanded", "2.0.0"), ("delayed", "4.2.2")], _receipt("delayed", "dsn-4.2.2")),
        ([("delivered", "2.0.0"), ("relayed", "2.0.0")], Aside(code="relayed")),
        ([("delivered", "2.0.0")] * 50, _receipt("delivered", "dsn-2.0.0")),
        ([("delivered", "2.0.0")] * 51, Aside(code="malformed")),
    ],
    ids=[
        "failed-last",
        "failed-first",
        "delayed",
        "relayed-failed",
        "expanded-delayed",
        "relayed",
        "fifty",
        "too-many",
    ],
)
def test_of_several_mailboxes_the_worst_counts(
    groups: list[tuple[str, str]], expected: Receipt | Aside
) -> None:
    assert read_report(a_report(*(a_group(*group) for group in groups))) == expected


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (a_mail("Auto-Submitted: auto-replied"), "auto-reply"),
        (a_mail("Auto-Submitted: auto-generated; x=y"), "auto-reply"),
        (a_mail("Precedence: auto_reply"), "auto-reply"),
        (a_mail("X-Autoreply: yes"), "auto-reply"),
        (a_mail("Auto-Submitted: no"), "not-a-report"),
        (a_mail("From: a@b.example"), "not-a-report"),
        (a_mail("Return-Path: <>"), "bounce-unreadable"),
        (
            a_mail("From: MAILER-DAEMON@b.example", "Auto-Submitted: auto-replied"),
            "auto-reply",
        ),
        (
            a_mail("Return-Path: <>", "From: MAILER-DAEMON@b.example", "Auto-Submitted: auto-x"),
            "bounce-unreadable",
        ),
        (a_mail("X-Failed-Recipients: a@b.example"), "bounce-unreadable"),
        (a_report(report_type="feedback-report"), "feedback-report"),
        (a_report(report_type="disposition-notification"), "disposition"),
        (a_report(report_type="tlsrpt"), "not-a-report"),
        (a_report(return_path="<someone@elsewhere.example>"), "not-null-sender"),
        (a_report(status_head="Content-Type: text/plain\n"), "bounce-unreadable"),
        (a_report().replace(b"multipart/report", b"multipart/mixed"), "bounce-unreadable"),
        (b"", "not-a-report"),
        (b"\n\n\n", "not-a-report"),
        (b"no field at all\n\n", "malformed"),
        (b" folded from nothing\n\n", "malformed"),
        (b"x" * (MAX_MESSAGE_BYTES + 1), "too-large"),
    ],
)
def test_what_is_no_report_is_recognised_and_left_aside(message: bytes, code: str) -> None:
    assert code in get_args(AsideCode)
    assert read_report(message) == Aside(code=code)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "message",
    [
        a_report().replace(b"--A1/mail.example.org--", b""),  # cut short
        a_report().replace(b'boundary="A1/mail.example.org"', b""),
        a_report().replace(b'"A1/mail.example.org"', b'"other"'),
        a_report().replace(b'"A1/mail.example.org"', b'"\xff"'),
        a_report().replace(b"MIME-Version: 1.0", b"Content-Type: text/plain"),
        a_report().replace(b"report-type=", b"report-type=x; report-type="),
        a_report(
            status_head="Content-Type: message/delivery-status\n"
            "Content-Transfer-Encoding: base64\n"
        ),
        a_report(a_group() + "Action: delivered\n"),
        a_report(a_group() + "Status: 2.0.0\n"),
        a_report("no field"),
        a_report().replace(b"Subject: Und", b"Subject: " + b"x" * 20_000),
        a_report().replace(b"Subject: Und", b"X: y\n" * 201 + b"Subject: Und"),
        a_report().replace(b"Subject: Und", (b"X: " + b"y" * 990 + b"\n") * 150 + b"Subject: Und"),
        a_report().replace(
            b"--A1/mail.example.org\n", b"--A1/mail.example.org\nX: y\n\nz\n" * 9, 1
        ),
    ],
    ids=[
        "cut", "no-boundary", "other-boundary", "bad-boundary", "two-types", "two-report-types",
        "encoded", "two-actions", "two-statuses", "no-field", "long-line", "fields", "head",
        "parts",
    ],
)  # fmt: skip
def test_what_is_not_exactly_a_report_is_none(message: bytes) -> None:
    assert read_report(message) == Aside(code="malformed")


def test_nothing_of_a_person_is_in_what_is_read() -> None:
    told = read_report(a_report())
    assert isinstance(told, Receipt)
    for word in (PERSONAL, "Sample", "desk.example"):
        assert word not in repr(told)


@given(st.binary(max_size=2000))
def test_no_bytes_are_an_error(message: bytes) -> None:
    assert isinstance(read_report(message), Aside)


@given(
    st.integers(0, len(a_report())),
    st.integers(0, 60),
    st.one_of(st.binary(max_size=60), st.sampled_from([b"\n", b"\r\n\r\n", b"--A1", b":", b";"])),
    st.booleans(),
)
def test_a_report_damaged_anywhere_is_read_as_itself_or_left_aside(
    at: int, cut: int, put: bytes, crlf: bool
) -> None:
    """Whatever is cut out of it or put into it, it never comes to be about another alert."""
    message = a_report(end="\r\n" if crlf else "\n")
    told = read_report(message[:at] + put + message[at + cut :])
    assert isinstance(told, Aside) or told.alert == ALERT


@given(st.lists(st.sampled_from(a_report().split(b"\n")), max_size=60))
def test_lines_of_a_report_in_any_order_are_no_error(lines: list[bytes]) -> None:
    told = read_report(b"\n".join(lines))
    assert isinstance(told, Aside) or told.alert == ALERT


@pytest.mark.parametrize(
    "message",
    [
        b"X: " + b"y\n " * (MAX_MESSAGE_BYTES // 3 - 1),
        b"\n" * MAX_MESSAGE_BYTES,
        b"X:y\n" * (MAX_MESSAGE_BYTES // 4),
        a_report() + b"--A1/mail.example.org\n" * 90_000,
        a_report(end="\n").replace(b"I'm sorry", b"--A1/mail.example.org " + b" " * 2_000_000),
        a_report("\n" * 2_000_000 + a_group()),
        a_report(*["X: y\n"] * 300_000),
        a_report().replace(b"multipart/report;", b"multipart/report;" + b" ;" * 7000),
        a_report().replace(b"multipart/report;", b"multipart/report" + b" " * 15_000 + b";"),
    ],
    ids=["folds", "blank", "fields", "ends", "spaces", "gap", "groups", "semicolons", "padding"],
)
@pytest.mark.timeout(10)
def test_a_message_made_to_be_slow_or_large_is_read_within_its_bounds(message: bytes) -> None:
    tracemalloc.start()
    try:
        told = read_report(message[:MAX_MESSAGE_BYTES])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(told, Receipt | Aside)
    assert peak < 4 * MAX_MESSAGE_BYTES
