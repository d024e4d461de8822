"""Caps, failover and the two small grammars, against plain models of what they promise."""

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channels.sms.caps import HOUR_S, Caps, NumberCaps
from gateway.channels.sms.failover import Promptness, Rule
from gateway.channels.sms.provider import MAX_LINK_LENGTH, Pointer, accepted, read_pointer
from gateway.channels.sms.reply import read_reply, read_sender
from gateway.model.ids import AlertId
from gateway.model.outcome import Accepted, Reply

KEY = bytes(range(32))
NUMBERS = ("+447700900123", "+447700900124")
REFERENCE = "9D1E01ABCDEF"

asked = st.lists(
    st.tuples(st.floats(0, 900), st.sampled_from(NUMBERS), st.sampled_from("abc"), st.booleans()),
    max_size=80,
)


@given(asked, st.integers(1, 5), st.integers(0, 6), st.integers(1, 4))
def test_no_hour_ever_holds_more_than_the_caps_and_no_place_is_refused_for_nothing(
    asked: list[tuple[float, str, str, bool]], routine: int, more: int, identical: int
) -> None:
    caps = Caps(routine=routine, urgent=routine + more, identical=identical)
    places = NumberCaps(caps, key=KEY)
    sent: list[tuple[float, str, str]] = []
    at = 0.0
    for step, number, text, urgent in asked:
        at += step
        here = [(t, x) for t, n, x in sent if n == number and t > at - HOUR_S]
        limit = caps.urgent if urgent else caps.routine
        free = len(here) < limit and sum(x == text for _, x in here) < identical
        wait = places.take(number, text, urgent=urgent, at=at)
        assert (wait == timedelta()) == free
        assert wait <= timedelta(seconds=HOUR_S)
        if free:
            sent.append((at, number, text))
    for t, number, text in sent:
        hour = [x for u, n, x in sent if n == number and t - HOUR_S < u <= t]
        assert len(hour) <= caps.urgent
        assert hour.count(text) <= identical


@given(asked, st.booleans())
def test_the_wait_that_is_told_is_long_enough_and_not_longer(
    asked: list[tuple[float, str, str, bool]], urgent: bool
) -> None:
    caps = Caps(routine=3, urgent=5, identical=2)
    places = NumberCaps(caps, key=KEY)
    at = 0.0
    for step, number, text, its_urgent in asked:
        at += step
        places.take(number, text, urgent=its_urgent, at=at)
    wait = places.take(NUMBERS[0], "a", urgent=urgent, at=at).total_seconds()
    if wait > 0.01:
        assert places.take(NUMBERS[0], "a", urgent=urgent, at=at + wait - 0.01) > timedelta()
        assert places.take(NUMBERS[0], "a", urgent=urgent, at=at + wait + 0.01) == timedelta()


def test_urgent_alerts_may_use_what_routine_ones_may_not() -> None:
    places = NumberCaps(Caps(routine=2, urgent=3), key=KEY)
    for n in range(2):
        assert not places.take(NUMBERS[0], f"{n}", urgent=False, at=0)
    assert places.take(NUMBERS[0], "2", urgent=False, at=60) == timedelta(seconds=3540)
    assert not places.take(NUMBERS[0], "2", urgent=True, at=60)
    assert places.take(NUMBERS[0], "3", urgent=True, at=60) == timedelta(seconds=3540)
    assert not places.take(NUMBERS[1], "3", urgent=False, at=60)


def test_a_place_given_back_is_free_again_and_another_text_keeps_its_own() -> None:
    places = NumberCaps(Caps(routine=2, urgent=2, identical=1), key=KEY)
    assert not places.take(NUMBERS[0], "a", urgent=False, at=0)
    assert not places.take(NUMBERS[0], "b", urgent=False, at=0)
    places.give_back(NUMBERS[0], "a")
    places.give_back(NUMBERS[0], "never taken")
    places.give_back(NUMBERS[1], "a")
    assert places.take(NUMBERS[0], "b", urgent=False, at=1) > timedelta()
    assert not places.take(NUMBERS[0], "a", urgent=False, at=1)


def test_numbers_are_forgotten_when_their_hour_is_over_and_never_held_as_they_are() -> None:
    places = NumberCaps(Caps(), key=KEY)
    for n in range(1500):
        places.take(f"+44770090{n:04}", "a", urgent=False, at=0)
    for n in range(500):
        places.take(f"+44770090{n:04}", "a", urgent=False, at=HOUR_S + 1)
    assert len(places) == 500
    assert "7700" not in repr(vars(places))


@given(
    st.lists(
        st.tuples(
            st.floats(0, 400), st.sampled_from("ab"), st.sampled_from(["took", "failed", "heard"])
        ),
        max_size=60,
    )
)
def test_the_order_holds_every_carrier_the_prompt_ones_first(
    events: list[tuple[float, str, str]],
) -> None:
    promptness = Promptness("ab", Rule())
    at = 0.0
    for n, (step, name, event) in enumerate(events):
        at += step
        if event == "took":
            promptness.took(name, AlertId(f"alt_{n}"), at, receipt_due=True)
        elif event == "failed":
            promptness.failed(name, at)
        else:
            promptness.heard(AlertId(f"alt_{n - 1}"), at)
        order = promptness.order(at)
        assert sorted(order) == ["a", "b"]
        slow = [promptness.slow(one, at) for one in order]
        assert slow == sorted(slow)
        if len(set(slow)) == 1:
            assert order == ("a", "b")
    assert promptness.order(at + Rule().window_s) == ("a", "b")


@given(st.integers(5, 40), st.floats(0, 1))
def test_a_carrier_is_slow_exactly_when_enough_of_its_last_texts_were(
    count: int, share: float
) -> None:
    rule = Rule(last=20, at_least=5, slow_share=0.3)
    promptness = Promptness(("a", "b"), rule)
    late = [n < share * count for n in range(count)]
    for n in range(count):
        promptness.took("a", AlertId(f"alt_{n}"), n, receipt_due=True)
    for n in range(count):
        promptness.heard(AlertId(f"alt_{n}"), n + (301 if late[n] else 299))
        promptness.heard(AlertId(f"alt_{n}"), n + 999)  # a repeat changes nothing
    last = late[-20:]
    assert promptness.slow("a", 700) == (sum(last) >= 0.3 * len(last))


def test_texts_still_in_their_time_settle_nothing_and_silence_then_counts_as_slow() -> None:
    promptness = Promptness(("a", "b"), Rule())
    for n in range(100):
        promptness.took("a", AlertId(f"alt_{n}"), 0, receipt_due=True)
    assert promptness.order(300) == ("a", "b")
    assert promptness.order(301) == ("b", "a")


def test_a_carrier_whose_receipts_do_not_come_is_judged_by_its_refusals_alone() -> None:
    promptness = Promptness(("a", "b"), Rule())
    for n in range(20):
        promptness.took("a", AlertId(f"alt_{n}"), 0, receipt_due=False)
    assert promptness.order(1000) == ("a", "b")
    for _ in range(6):
        promptness.failed("a", 1000)
    assert promptness.order(1000) == ("b", "a")
    assert promptness.order(1000 + Rule().window_s) == ("a", "b")


@pytest.mark.parametrize(
    "wrong",
    [
        {"at_least": 0},
        {"at_least": 21},
        {"slow_share": 0},
        {"slow_share": 1.1},
        {"prompt_s": 1800},
        {"prompt_s": 0},
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="failover"):
        Rule(**wrong)  # type: ignore[arg-type]


@given(
    st.sampled_from(["YES", "yes", "Yes", "NO", "no", "nO"]),
    st.text("0123456789ABCDEFabcdef", min_size=12, max_size=12),
    st.booleans(),
    st.sampled_from([" ", "  ", "\n", "\t "]),
    st.sampled_from(["", ".", " ", "\n", ". "]),
)
def test_every_way_of_saying_yes_or_no_is_read(
    answer: str, plain: str, dashes: bool, between: str, end: str
) -> None:
    typed = "-".join(plain[i : i + 3] for i in range(0, 12, 3)) if dashes else plain
    assert read_reply("447700900123", f"{answer}{between}{typed}{end}") == Reply(
        channel="sms",
        address="+447700900123",
        answer="acknowledged" if answer.upper() == "YES" else "rejected",
        reference=plain.upper(),
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "YES",
        f"YES{REFERENCE}",
        f"YES {REFERENCE}0",
        f"YES {REFERENCE[:-1]}",
        f"MAYBE {REFERENCE}",
        f"YES NO {REFERENCE}",
        f"YES {REFERENCE} {REFERENCE}",
        f"YES {REFERENCE} please",
        f"I say YES {REFERENCE}",
        "YES 9D1-E01ABCDEF",
        "YES 9D1–E01–ABC–DEF",
        "YES 9D1 E01 ABC DEF",
        f"YEſ {REFERENCE}",
        f"YES\u00a0{REFERENCE}",
        "YES ９Ｄ1E01ABCDEF",
        "YES ..............",
        f"YES {' ' * 200}{REFERENCE}",
    ],
)
def test_anything_else_is_no_answer(text: str) -> None:
    assert read_reply("447700900123", text) is None


@given(st.text(max_size=200), st.text(max_size=30))
def test_no_text_makes_the_grammar_raise_or_say_more_than_it_should(text: str, sender: str) -> None:
    reply = read_reply("447700900123", text)
    assert reply is None or re.fullmatch("[0-9A-Z]{12}", reply.reference)
    number = read_sender(sender)
    assert number is None or re.fullmatch(r"\+[0-9]{8,15}", number)


@pytest.mark.parametrize(
    ("sender", "number"),
    [
        ("447700900123", "+447700900123"),
        ("+447700900123", "+447700900123"),
        ("07700900123", "+447700900123"),
        ("33639981234", "+33639981234"),
        ("60777", None),
        ("OFFER", None),
        ("", None),
    ],
)
def test_a_sender_is_read_as_the_directory_writes_it(sender: str, number: str | None) -> None:
    assert read_sender(sender) == number


@pytest.mark.parametrize(
    ("sealed", "pointer"),
    [
        (b"9D1-E01-ABC-DEF", Pointer(reference="9D1-E01-ABC-DEF")),
        (
            b"A\nhttps://alerts.example.org/p/aB_9~.-",
            Pointer(reference="A", link="https://alerts.example.org/p/aB_9~.-"),
        ),
        (b"A\nhttps://a.example:8443/", Pointer(reference="A", link="https://a.example:8443/")),
        (b"A\n", None),
        (b"A\n\nhttps://a.example/", None),
        (b"A\nhttps://a.example/\n", None),
        (b"A\nhttp://a.example/", None),
        (b"A\nhttps://a.example/?name=Arthur", None),
        (b"A\nhttps://a.example/#Arthur", None),
        (b"A\nhttps://a.example/a%20b", None),
        (b"A\nhttps://user@a.example/", None),
        (b"A\nhttps://a.example/ Arthur Sample", None),
        (b"A\nArthur Sample", None),
        (b"A\nhttps://a.example/" + b"a" * MAX_LINK_LENGTH, None),
    ],
)
def test_a_pointer_is_one_line_or_two_and_nothing_else(
    sealed: bytes, pointer: Pointer | None
) -> None:
    assert read_pointer(sealed) == pointer


@given(st.binary(max_size=300))
def test_no_other_bytes_are_a_pointer(sealed: bytes) -> None:
    found = read_pointer(sealed)
    if found is not None:
        assert sealed.decode() == "\n".join(filter(None, (found.reference, found.link)))


@pytest.mark.parametrize(
    ("provider_id", "detail"),
    [
        ("00af-1", "00af-1"),
        ("447700900123", ""),
        ("x07700900123x", ""),
        ("a b", ""),
        ("é", ""),
        ("a" * 65, ""),
    ],
)
def test_an_id_that_quotes_the_number_is_not_kept(provider_id: str, detail: str) -> None:
    assert accepted(provider_id, "+447700900123") == Accepted(detail=detail)
