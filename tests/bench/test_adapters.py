"""The conversion bench at toy size: every line is a figure, and no figure where things differ."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.kit.framing import csv_rows, json_values, lines, whole
from adapters.kit.xml_text import write_xml, xml_records
from bench import adapters
from bench.problem import NotMeasured
from tests.adapters.table_examples import ADAPTER

TINY = adapters.Plan(megabytes=0.02, names=("table",))
ONE = adapters.Figures(
    events=10, bytes=2_000_000, seconds=0.5, early_mb=50, peak_mb=51, streamed=True
)


def test_an_adapter_is_measured_on_its_own_examples() -> None:
    (measured,) = adapters.measure(TINY).items()
    name, figures = measured
    assert name == "table"
    assert figures.streamed
    assert figures.bytes >= 20_000
    assert figures.events > 60
    assert figures.peak_mb >= figures.early_mb > 0


def test_every_line_is_one_figure_and_the_ratios_are_last() -> None:
    shown = list(adapters.lines({"a": ONE, "b": replace(ONE, streamed=False)}))
    assert shown == [
        "adapters_a_events_per_s: 20",
        "adapters_a_mb_per_s: 4.00",
        "adapters_a_peak_mb: 51",
        "adapters_b_events_per_s: 20",
        "adapters_b_mb_per_s: 4.00",
        "adapters_b_peak_mb: 51",
        "adapters_a_peak_over_early: 1.020",
    ]


def test_a_file_that_gives_other_events_than_its_examples_is_no_measurement(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spoil = adapters.of_another
    monkeypatch.setattr(
        adapters, "of_another", lambda message, at: spoil(message, at).replace(b"PLACED", b"GONE")
    )
    with pytest.raises(NotMeasured, match="events, not"):
        adapters.measure(TINY)


def test_messages_are_joined_as_their_format_takes_them_apart() -> None:
    rows = list(csv_rows([b"a,b\r\n1,2\r\n3,4\r\n"]))
    records = [write_xml("r", {"@a": "1"}), write_xml("r", {"@a": "2"})]
    for split, messages in (
        (lines, [b"one", b"two"]),
        (json_values, [b'{"a":1}', b'{"b":\n2}']),
        (csv_rows, rows),
        (xml_records("r"), records),
    ):
        fits = [join for join in adapters.JOINS if adapters.holds(split, join, messages)]
        assert fits
        assert list(split(fits[0](messages))) == messages
    assert not any(adapters.holds(whole, join, [b"one"]) for join in adapters.JOINS)


def test_a_format_of_one_message_a_file_is_read_message_by_message(tmp_path: Path) -> None:
    assert ADAPTER.inbound is not None
    apart = replace(ADAPTER, inbound=replace(ADAPTER.inbound, split=whole))
    file = tmp_path / "messages"

    def messages() -> Iterator[bytes]:
        for body in adapters._inputs("table"):
            yield from csv_rows([body])

    file.write_bytes(b"".join(adapters.prefixed(messages())))
    assert adapters.convert(apart, file, streamed=False).events == 3


@given(number=st.integers(0, 10**9))
def test_persons_who_differ_still_do(number: int) -> None:
    body = adapters.of_another(b"Z0001ZZ Z0002ZZ X999001 X999002 T-0001", number)
    words = body.split()
    assert len(set(words)) == 5
    assert words[-1] == b"T-0001"
    assert [len(word) for word in words] == [7, 7, 7, 7, 6]
