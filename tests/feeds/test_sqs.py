"""The SQS feed against a real SQS endpoint."""

import asyncio
import builtins
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from gateway import clock
from gateway.app import running
from gateway.config import BadConfig, load_config
from gateway.config.feeds import SqsFeedConfig
from gateway.demo.events import released
from gateway.feeds.contract import Answer, FeedTrouble, Fetched
from gateway.feeds.sqs import SqsFeed
from gateway.instance import CONFIG_NAME, create
from gateway.metrics import FEED_UP
from tests import canaries
from tests.feeds.queues import (
    REGION,
    Queue,
    credentials,
    emptied,
    endpoint,
    make_queue,
    queue_server,
)
from tests.feeds.scripted import background, metrics, stored, until
from tests.gateway_in_process import gateway, planned_release

ACCEPTED = Answer(verdict="accepted")
LATER = Answer(verdict="later", reasons=("behind",))
REFUSED = Answer(verdict="refused", reasons=("malformed-event",))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with queue_server() as server:
        yield endpoint(server)


@pytest.fixture
def queue(url: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Queue:
    credentials(monkeypatch)
    return make_queue(url, f"q-{abs(hash(request.node.name)) % 10**9}")


def feed_of(queue: Queue, url: str, **changes: Any) -> SqsFeed:
    stated: dict[str, Any] = {
        "kind": "sqs", "name": "hmpps", "agency": "hmp-exampleton", "queue_url": queue.url,
        "region": REGION, "endpoint_url": url, "wait_s": 1, "retry_after_s": 1,
    }  # fmt: skip
    return SqsFeed(SqsFeedConfig.model_validate(stated | changes))


def section(queue_url: str, url: str, adapter: str = "") -> str:
    lines = [
        "[[feed]]", 'kind = "sqs"', 'name = "hmpps"', 'agency = "hmp-exampleton"',
        f'queue_url = "{queue_url}"', f'endpoint_url = "{url}"', "wait_s = 1", "retry_after_s = 1",
    ]  # fmt: skip
    return "\n".join([*lines, *([f'adapter = "{adapter}"'] if adapter else [])]) + "\n"


class Source:
    """Answers as told, and keeps what it was handed."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.given: list[Fetched] = []

    async def __call__(self, fetched: Fetched) -> Answer:
        self.given.append(fetched)
        return self.answers.pop(0) if self.answers else ACCEPTED


async def test_what_is_accepted_is_deleted_and_ids_are_the_queues(queue: Queue, url: str) -> None:
    queue.send("one", "two", "thrée")
    source = Source()
    async with background(feed_of(queue, url).run(source)):
        await emptied(queue)
    assert sorted(one.body.decode() for one in source.given) == ["one", "thrée", "two"]
    assert len({one.message_id for one in source.given}) == 3


async def test_only_the_accepted_of_a_batch_are_deleted(queue: Queue, url: str) -> None:
    queue.send(*(str(n) for n in range(10)))
    left = {"3", "7"}

    async def take(fetched: Fetched) -> Answer:
        return REFUSED if fetched.body.decode() in left else ACCEPTED

    async with background(feed_of(queue, url).run(take)):
        await until(lambda: queue.left(queue.dead) == 2)
    assert set(queue.dead_letters()) == left
    assert queue.left() == 0


async def test_what_comes_later_comes_again_under_the_same_id(queue: Queue, url: str) -> None:
    queue.send("one")
    source = Source(LATER)
    async with background(feed_of(queue, url, retry_after_s=0).run(source)):
        await emptied(queue)
    assert len(source.given) == 2
    assert len({one.message_id for one in source.given}) == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"queue_url": "http://127.0.0.1:1/123456789012/nothing"}, "queue-missing"),
        ({"endpoint_url": "http://127.0.0.1:1"}, "unreachable"),
    ],
)
async def test_trouble_with_the_queue_has_a_code(
    queue: Queue, url: str, change: dict[str, str], code: str
) -> None:
    with pytest.raises(FeedTrouble) as trouble:
        await asyncio.wait_for(feed_of(queue, url, **change).run(Source()), timeout=20)
    assert trouble.value.code == code


async def test_without_credentials_there_is_a_code(
    queue: Queue, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(FeedTrouble) as trouble:
        await asyncio.wait_for(feed_of(queue, url).run(Source()), timeout=20)
    assert trouble.value.code == "no-credentials"


async def test_a_crash_between_durable_and_deleted_makes_no_second_event(
    queue: Queue, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[int] = []
    settle = SqsFeed._settle

    async def crash_once(self: SqsFeed, client: Any, messages: Any, answers: Any) -> None:
        if messages and not lost:
            lost.append(len(messages))
            raise RuntimeError("the process ends here")
        await settle(self, client, messages, answers)

    monkeypatch.setattr(SqsFeed, "_settle", crash_once)
    queue.send(orjson.dumps(planned_release()).decode())
    async with gateway(tmp_path / "i", sections=section(queue.url, url)) as served:
        await emptied(queue)
        assert lost == [1]
        assert stored(served) == 1
        assert len(served.entries("collection")) == 1


async def test_what_is_refused_becomes_a_dead_letter_and_the_rest_goes_on(
    queue: Queue, url: str, tmp_path: Path
) -> None:
    bad = orjson.dumps(planned_release("evt-0", data={"identity": canaries.NAME})).decode()
    queue.send(bad, *(orjson.dumps(planned_release(f"evt-{n}")).decode() for n in range(1, 4)))
    with capture_logs() as lines:
        async with gateway(tmp_path / "i", sections=section(queue.url, url)) as served:
            await until(lambda: queue.left(queue.dead) == 1)
            assert queue.dead_letters() == [bad]
            assert stored(served) == 3
            assert canaries.found_in(await metrics(served)) == []
    refusals = [line for line in lines if line["event"] == "message refused"]
    assert {line["code"] for line in refusals} == {"malformed-event"}
    assert canaries.found_in(str(lines)) == []


async def test_an_sns_envelope_is_the_adapters_to_read(
    queue: Queue, url: str, tmp_path: Path
) -> None:
    body = released(clock.now(), canaries.NOMS, "NCS")
    assert isinstance(orjson.loads(body)["Message"], str)
    queue.send(body.decode())
    sections = section(queue.url, url, "hmpps_domain_events")
    async with gateway(tmp_path / "i", sections=sections) as served:
        await emptied(queue)
        assert stored(served) == 1


async def test_a_queue_that_is_made_later_and_a_server_that_comes_back_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials(monkeypatch)
    with queue_server() as server:
        url, port = endpoint(server), server.get_host_and_port()[1]
    queue_url = f"{url}/123456789012/late"
    with capture_logs() as lines:
        async with gateway(tmp_path / "i", sections=section(queue_url, url)) as served:
            await until(lambda: _codes(lines) >= {"unreachable"})
            with queue_server(port):
                await until(lambda: "queue-missing" in _codes(lines), within_s=60)
                queue = await asyncio.to_thread(make_queue, url, "late")
                queue.send(orjson.dumps(planned_release()).decode())
                await emptied(queue, within_s=60)
                assert stored(served) == 1
                assert FEED_UP.labels("hmpps")._value.get() == 1


def _codes(lines: Any) -> set[str]:
    return {line["code"] for line in lines if line["event"] == "feed stopped"}


async def test_a_gateway_without_the_extra_says_which_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *given: Any) -> Any:
        if name.startswith("aiobotocore"):
            raise ImportError(name)
        return real(name, *given)

    monkeypatch.delitem(sys.modules, "gateway.feeds.sqs")
    monkeypatch.setattr(builtins, "__import__", without)
    sections = section("https://sqs.example/q", "https://sqs.example")
    config = await create(tmp_path / "i", name="throughgate.example/test", sections=sections)
    with pytest.raises(BadConfig, match=r"feed hmpps: .*throughgate\[sqs\]"):
        async with running(config):
            pass


@pytest.mark.parametrize("key", ["queue_url", "endpoint_url"])
@pytest.mark.parametrize("url", ["http://sqs.example/q", "ftp://sqs.example", "q"])
def test_plain_http_is_for_loopback(tmp_path: Path, key: str, url: str) -> None:
    file = tmp_path / CONFIG_NAME
    given = {"queue_url": "https://sqs.example/q", "endpoint_url": "https://sqs.example"} | {
        key: url
    }
    file.write_text(
        '[instance]\nname = "throughgate.example/test"\n'
        + section(given["queue_url"], given["endpoint_url"])
    )
    with pytest.raises(BadConfig, match=r"feed.*https"):
        load_config(file)
