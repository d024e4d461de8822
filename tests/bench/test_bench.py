"""The benchmarks at toy size: they run, they add up, and they give no figure when they do not."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.__main__ import lines
from bench.ceiling import ceiling_running
from bench.driver import Answer, Driver, Post
from bench.posts import make_posts
from bench.problem import NotMeasured
from bench.receiver import Arrival, Receiver
from bench.rounds import Figures, Plan, Round, Side, compare, percentiles
from bench.wire import post, take_message
from keys import webhook_signature
from keys.signing import SigningKey

TINY = Plan(warm_up=4, rounds=2, round_s=0.01, connections=2)


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> tuple[Figures, Figures]:
    return compare(TINY, tmp_path_factory.mktemp("bench"))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def test_both_sides_give_rates_and_rising_percentiles(figures: tuple[Figures, Figures]) -> None:
    for side in figures:
        assert side.per_second > 0
        for spread in (side.flood_ms, side.half_load_ms):
            assert 0 < spread[0] <= spread[1] <= spread[2]


def test_every_line_is_one_figure_and_the_ratio_is_last(figures: tuple[Figures, Figures]) -> None:
    printed = list(lines(*figures))
    named = [line.split(": ") for line in printed]
    assert len({name for name, _ in named}) == len(named)
    for _, value in named:
        float(value)  # raises if it is no figure
    ceiling, journey = figures
    assert printed[-1] == f"journey_over_ceiling: {journey.per_second / ceiling.per_second:.2f}"


def test_an_answer_other_than_202_is_no_measurement(tmp_path: Path, receiver: Receiver) -> None:
    others = SigningKey.generate().public_text
    with (
        ceiling_running(tmp_path, others, receiver.url) as ceiling,
        Driver(connections=1) as driver,
        pytest.raises(NotMeasured, match="202"),
    ):
        Side(ceiling, SigningKey.generate(), driver, receiver).play(1)


def test_missing_webhooks_are_no_measurement(receiver: Receiver) -> None:
    receiver.expect(1)
    with pytest.raises(NotMeasured, match="fewer webhooks"):
        receiver.arrivals(within_s=0.05)


def test_the_receiver_tells_what_was_expected_from_what_is_surplus(receiver: Receiver) -> None:
    port = int(receiver.url.rpartition(":")[2].partition("/")[0])
    webhooks = [
        Post(id=name, wire=post("/hook", {"webhook-id": name}, name.encode()))
        for name in ("alt_1", "alt_2", "alt_2")
    ]
    receiver.expect(2)
    with Driver(connections=1) as driver:
        answers = driver.drive(port, webhooks, per_second=None)
    arrivals = receiver.arrivals(within_s=10)
    assert [answer.status for answer in answers] == [204, 204, 204]
    assert [arrival.webhook_id for arrival in arrivals] == ["alt_1", "alt_2"]
    assert [arrival.body for arrival in arrivals] == [b"alt_1", b""]
    assert answers[0].sent_ns < arrivals[0].at_ns <= arrivals[1].at_ns
    assert receiver.surplus() == 1


def test_posts_verify_and_are_each_about_another_person() -> None:
    key = SigningKey.generate()
    bodies = [_verified_body(key, one.wire) for one in make_posts(9_998, 4, key)]
    persons = {orjson.loads(body)["data"]["identifiers"]["noms"] for body in bodies}
    assert persons == {"Z9998AA", "Z9999AA", "Z0000AB", "Z0001AB"}


def _verified_body(key: SigningKey, wire: bytes) -> bytes:
    message = take_message(bytearray(wire))
    assert message is not None
    head, body = message
    stated = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    timestamp = stated["webhook-timestamp"]
    webhook_signature.verify(
        [key.public_text],
        message_id=stated["webhook-id"],
        timestamp=timestamp,
        signature=stated["webhook-signature"],
        body=body,
        now=int(timestamp),
    )
    return body


def _round(sent: Sequence[int], came: dict[str, int]) -> Round:
    return Round(
        answers=[Answer(id=f"p{i}", sent_ns=at, status=202, body=b"") for i, at in enumerate(sent)],
        arrivals=[Arrival(webhook_id=id_, at_ns=at, body=b"") for id_, at in came.items()],
        cpu_s=0.0,
    )


def test_each_latency_is_of_a_posts_own_webhook_whatever_the_order_they_came_in() -> None:
    one = _round([1_000_000, 2_000_000], {"p1": 5_000_000, "p0": 11_000_000})
    assert list(one.latencies_ms(lambda answer: answer.id)) == [10.0, 3.0]
    assert one.per_second == pytest.approx(200)


@pytest.mark.parametrize("came", [{"p0": 9, "other": 9}, {"p0": 9}])
def test_a_post_without_a_webhook_of_its_own_is_no_measurement(came: dict[str, int]) -> None:
    with pytest.raises(NotMeasured, match="no webhook of its own"):
        list(_round([1, 2], came).latencies_ms(lambda answer: answer.id))


def test_one_webhook_does_not_count_for_two_posts() -> None:
    with pytest.raises(NotMeasured, match="no webhook of its own"):
        list(_round([1, 2], {"same": 9}).latencies_ms(lambda _answer: "same"))


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_a_percentile_is_the_least_value_that_so_many_do_not_exceed(values: list[float]) -> None:
    for percent, found in zip((50, 95, 99), percentiles(values), strict=True):
        assert found in values
        assert 100 * sum(value <= found for value in values) >= percent * len(values)
        assert 100 * sum(value < found for value in values) < percent * len(values)


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=4), st.integers(1, 30))
def test_messages_are_cut_whole_however_they_arrive(bodies: list[bytes], chunk: int) -> None:
    wire = b"".join(post("/", {"webhook-id": "a"}, body) for body in bodies)
    buffer, found = bytearray(), []
    for at in range(0, len(wire), chunk):
        buffer += wire[at : at + chunk]
        while (message := take_message(buffer)) is not None:
            found.append(message[1])
    assert found == bodies
    assert not buffer
