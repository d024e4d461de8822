"""From a source to an alert opened with its recipient's key, over each kind of feed."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hl7
import orjson
import pytest
from hl7.mllp import open_hl7_connection
from structlog.testing import capture_logs

from gateway.app import running
from gateway.config import BadConfig, load_config
from gateway.demo.cast import AREA
from gateway.demo.servers.certificates import make_certificates
from gateway.demo.servers.webhook import WebhookReceiver
from gateway.instance import CONFIG_NAME, create
from keys.seal import open_sealed
from tests import canaries
from tests.feeds.queues import credentials, emptied, endpoint, make_queue, queue_server
from tests.feeds.scripted import metrics, stored, until
from tests.feeds.ward import adt, install_ward
from tests.gateway_in_process import Gateway, gateway, planned_release, police
from tests.support.gateway_process import _free_port

WEBHOOK = '[webhook]\nca_file = "ca.pem"\nallowed_networks = ["127.0.0.1/32"]\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """A gateway fed by its source, and what its one recipient got."""

    served: Gateway
    hook: WebhookReceiver
    private: str
    lines: list[Any]

    async def told(self) -> dict[str, Any]:
        """Wait for the one alert and return it opened."""
        await until(lambda: len(self.hook.received) == 1)
        opened = orjson.loads(open_sealed(self.hook.received[0].body, self.private.encode()))
        return dict(opened["alert"])


@contextlib.asynccontextmanager
async def journey(tmp_path: Path, feed: str) -> AsyncIterator[Journey]:
    """Serve with one feed configured; afterwards nothing names anybody in the log or metrics."""
    folder = tmp_path / "instance"
    folder.mkdir(mode=0o700)
    with capture_logs() as lines:
        async with WebhookReceiver(make_certificates(folder)) as hook:
            recipient, private = police(hook.url)
            sections = WEBHOOK + "[[feed]]\n" + feed
            async with gateway(folder, recipients=[recipient], sections=sections) as served:
                yield Journey(served=served, hook=hook, private=private, lines=lines)
                assert canaries.found_in(await metrics(served)) == []
    assert canaries.found_in(str(lines)) == []


def assert_told(alert: dict[str, Any]) -> None:
    assert alert["facts"]["identity"]["family_name"] == canaries.NAME
    assert alert["recipient"] == "police-ppu"


def assert_nowhere_but(tmp_path: Path, *agencys_own: Path) -> None:
    """No file outside the agency's own folder shows whom it is about."""
    for file in tmp_path.rglob("*"):
        if file.is_file() and not any(file.is_relative_to(own) for own in agencys_own):
            content = file.read_bytes()
            assert not [mark for mark in canaries.MARKS if mark.encode() in content], file


TWICE = """kind = "folder"
name = "p"
agency = "a"
path = "p"
[[feed]]
kind = "mllp"
name = "p"
agency = "a"
adapter = "x"
port = 1
"""


def folder_feed(drop: Path, **more: str) -> str:
    stated = {"kind": "folder", "name": "drop", "agency": "hmp-exampleton", "path": str(drop)}
    lines = [f'{key} = "{value}"' for key, value in (stated | more).items()]
    return "\n".join([*lines, "settle_s = 0.1", "every_s = 0.05"]) + "\n"


async def test_from_a_drop_folder_to_an_opened_alert(tmp_path: Path) -> None:
    drop = tmp_path / "drop"
    drop.mkdir(mode=0o700)
    bad = planned_release("evt-2", data={"identity": {"family_name": canaries.NAME}})
    async with journey(tmp_path, folder_feed(drop, after="keep")) as one:
        (drop / "a.part").write_bytes(orjson.dumps([planned_release()]))
        (drop / "a.part").rename(drop / f"{canaries.NAME}.json")
        assert_told(await one.told())
        await until((drop / "done" / f"{canaries.NAME}.json").exists)
        (drop / "b.part").write_bytes(orjson.dumps(bad))
        (drop / "b.part").rename(drop / "b.json")
        await until((drop / "refused" / "b.json").exists)
        assert stored(one.served) == 1
    reasons = (drop / "refused" / "b.json.reasons.txt").read_text()
    assert reasons.startswith("# 1 of 1 messages refused\n0\tmalformed-event\n0\t$.")
    assert canaries.found_in(reasons) == []
    assert_nowhere_but(tmp_path, drop)


async def test_from_a_queue_to_an_opened_alert(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials(monkeypatch)
    with queue_server() as server:
        url = endpoint(server)
        queue = make_queue(url, "journey")
        feed = (
            'kind = "sqs"\nname = "hmpps"\nagency = "hmp-exampleton"\nwait_s = 1\n'
            f'queue_url = "{queue.url}"\nendpoint_url = "{url}"\n'
        )
        async with journey(tmp_path, feed) as one:
            queue.send(orjson.dumps(planned_release()).decode())
            assert_told(await one.told())
            await emptied(queue)
    assert_nowhere_but(tmp_path)


async def test_from_an_hl7_socket_to_an_opened_alert(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_ward(tmp_path / "packages", monkeypatch, area=AREA)
    port = _free_port()
    feed = (
        'kind = "mllp"\nname = "ward"\nagency = "hmp-exampleton"\nadapter = "ward_adt"\n'
        f"port = {port}\n"
    )
    async with journey(tmp_path, feed) as one:
        await until(lambda: any(line["event"] == "feed listens" for line in one.lines))
        reader, writer = await open_hl7_connection("127.0.0.1", port)
        sent = {
            "AA": adt("evt-1"),
            "AE": adt("evt-2", event="A01", version="2.5"),
            "CA": adt("evt-3", event="A02", conditions="AL|NE"),
            "CE": adt("evt-4", event="A34", conditions="AL|NE"),
        }
        for code, body in sent.items():
            writer.writemessage(hl7.parse(body.decode()))
            await writer.drain()
            ack = await asyncio.wait_for(reader.readmessage(), timeout=10)
            assert str(ack["MSA.F1"]) == code
        writer.close()
        assert_told(await one.told())
        assert stored(one.served) == 1
        [logged] = one.served.entries("security")
        assert logged["code"] == "event-needs-human"
    assert_nowhere_but(tmp_path)


async def test_a_file_longer_than_the_gateway_is_quick_waits_its_turn(tmp_path: Path) -> None:
    drop = tmp_path / "drop"
    drop.mkdir(mode=0o700)
    sections = "[http]\nport = 0\nundecided_bound = 10\n[[feed]]\n" + folder_feed(drop)
    with capture_logs() as lines:
        async with gateway(tmp_path / "instance", sections=sections) as served:
            events = [planned_release(f"evt-{n}") for n in range(60)]
            (drop / "a.part").write_bytes(orjson.dumps(events))
            (drop / "a.part").rename(drop / "a.json")
            await until(lambda: not (drop / "a.json").exists(), within_s=60)
            assert stored(served) == 60
    assert "behind" in {line.get("code") for line in lines}
    assert "refused" not in {path.name for path in drop.iterdir()}


@pytest.mark.parametrize(
    ("feed", "fault"),
    [
        (lambda _: folder_feed(Path("nowhere")), "feed drop: path must be a folder"),
        (lambda it: folder_feed(_open_to_all(it)), "feed drop: path must not be writable"),
        (
            lambda it: folder_feed(it, adapter="no_such"),
            r"feed drop: no installed adapter .*hmpps_domain_events",
        ),
        (
            lambda _: 'kind = "mesh"\nname = "m"\nagency = "a"\nsenders = ["X26ABC1"]\n',
            r"feed m: mesh needs the section \[mesh\]",
        ),
    ],
)
async def test_a_feed_that_cannot_be_is_refused_before_anything_is_served(
    tmp_path: Path, feed: Callable[[Path], str], fault: str
) -> None:
    sections = "[[feed]]\n" + feed(tmp_path)
    config = await create(tmp_path / "i", name="throughgate.example/test", sections=sections)
    with pytest.raises(BadConfig, match=fault):
        async with running(config):
            pass


def _open_to_all(folder: Path) -> Path:
    made = folder / "open"
    made.mkdir()
    made.chmod(0o777)
    return made


@pytest.mark.parametrize(
    ("feed", "named"),
    [
        ('kind = "pigeon"\nname = "p"\nagency = "a"\n', "feed"),
        ('kind = "folder"\nname = "Has Spaces"\nagency = "a"\npath = "p"\n', "name"),
        ('kind = "folder"\nname = "p"\npath = "p"\n', "agency"),
        ('kind = "folder"\nname = "p"\nagency = "a"\npath = "p"\nsecret = "s"\n', "secret"),
        (TWICE, "two of one name"),
    ],
)
def test_faults_in_the_configuration_are_named(tmp_path: Path, feed: str, named: str) -> None:
    file = tmp_path / CONFIG_NAME
    file.write_text('[instance]\nname = "throughgate.example/test"\n[[feed]]\n' + feed)
    with pytest.raises(BadConfig, match=named):
        load_config(file)


async def test_a_gateway_without_feeds_needs_no_library_of_theirs(tmp_path: Path) -> None:
    code = (
        "import sys, gateway.app; "
        "print([one for one in sys.modules if one.split('.')[0] in ('aiobotocore', 'botocore')])"
    )
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await child.communicate()
    assert out.decode().strip() == "[]"
