"""The bounce mailbox: every report told at least once, and nothing in the way of the others."""

import asyncio
import os
from collections import Counter
from pathlib import Path

import pytest
import structlog

from gateway.bounces.reader import MOST_AT_ONCE, BounceReader
from gateway.feeds.drop import NotAFolder
from gateway.model.outcome import Receipt
from tests.bounces.reports import OTHER, PERSONAL, a_group, a_mail, a_report
from tests.channels.parcels import ALERT


class Sink:
    """Knows one alert; fails as often as it is told to."""

    def __init__(self, failures: int = 0) -> None:
        self.told: list[Receipt] = []
        self.failures = failures
        self.heard = asyncio.Event()

    async def __call__(self, receipt: Receipt) -> bool:
        if self.failures:
            self.failures -= 1
            raise OSError("the store, and an address: " + PERSONAL)
        self.told.append(receipt)
        self.heard.set()
        return receipt.alert == ALERT


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    folder = tmp_path / "bounces"
    for name in ("new", "cur", "tmp"):
        (folder / name).mkdir(parents=True, mode=0o700)
    return folder


def _put(maildir: Path, name: str, message: bytes, *, at: int = 0) -> Path:
    path = maildir / "new" / name
    path.write_bytes(message)
    os.utime(path, (at, at))
    return path


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _of_another(message: bytes) -> bytes:
    return message.replace(ALERT.encode(), OTHER.encode())


async def test_reports_are_told_oldest_first_and_moved(maildir: Path) -> None:
    _put(maildir, "b", a_report(a_group("delayed", "4.4.1")), at=1)
    _put(maildir, "a", a_report(a_group("failed", "4.4.7")), at=2)
    sink, counted = Sink(), Counter[str]()
    reader = BounceReader(maildir, sink, count=lambda code: counted.update([code]))
    assert await reader.look() == 2
    assert [receipt.code for receipt in sink.told] == ["dsn-4.4.1", "dsn-4.4.7"]
    assert counted == {"delayed": 1, "failed": 1}
    assert _names(maildir / "new") == []
    assert _names(maildir / "cur") == ["a:2,S", "b:2,S"]
    assert await reader.look() == 0


async def test_what_was_read_may_be_deleted(maildir: Path) -> None:
    _put(maildir, "a", a_report())
    assert await BounceReader(maildir, Sink(), keep=False).look() == 1
    assert _names(maildir / "new") == _names(maildir / "cur") == []


async def test_what_says_nothing_is_counted_and_told_to_nobody(maildir: Path) -> None:
    _put(maildir, "a", a_mail("Auto-Submitted: auto-replied"))
    _put(maildir, "b", b"\x00" * 100)
    _put(maildir, "c", a_report(return_path="<x@y.example>"))
    sink, counted = Sink(), Counter[str]()
    with structlog.testing.capture_logs() as lines:
        await BounceReader(maildir, sink, count=lambda code: counted.update([code])).look()
    assert sink.told == []
    assert counted == {"auto-reply": 1, "malformed": 1, "not-null-sender": 1}
    assert {(line["event"], line["code"], line["count"]) for line in lines} == {
        ("mail left aside", code, 1) for code in counted
    }


async def test_a_report_on_an_unknown_alert_is_put_away_and_counted(maildir: Path) -> None:
    _put(maildir, "a", _of_another(a_report()))
    counted = Counter[str]()
    await BounceReader(maildir, Sink(), count=lambda code: counted.update([code])).look()
    assert counted == {"unknown-alert": 1}
    assert _names(maildir / "new") == []


async def test_a_receipt_that_could_not_be_stored_is_told_again(maildir: Path) -> None:
    _put(maildir, "a", a_report(), at=1)
    _put(maildir, "b", a_report(a_group("delivered", "2.0.0")), at=2)
    sink = Sink(failures=1)
    reader = BounceReader(maildir, sink)
    assert await reader.look() == 1
    assert _names(maildir / "new") == ["a"]
    assert await reader.look() == 1
    assert [receipt.state for receipt in sink.told] == ["delivered", "failed"]


async def test_a_reader_stopped_while_it_tells_tells_it_again(maildir: Path) -> None:
    _put(maildir, "a", a_report())
    begun = asyncio.Event()

    async def never(receipt: Receipt) -> bool:
        begun.set()
        await asyncio.Event().wait()
        return True

    running = asyncio.create_task(BounceReader(maildir, never).run())
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    sink = Sink()
    await BounceReader(maildir, sink).look()
    assert [receipt.alert for receipt in sink.told] == [ALERT]


async def test_nothing_but_a_plain_file_of_the_mailbox_is_opened(
    maildir: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "elsewhere"
    secret.write_bytes(a_report())
    (maildir / "new" / "link").symlink_to(secret)
    os.mkfifo(maildir / "new" / "fifo")
    (maildir / "new" / "folder").mkdir()
    _put(maildir, "last", a_report())
    sink, counted = Sink(), Counter[str]()
    reader = BounceReader(maildir, sink, count=lambda code: counted.update([code]))
    async with asyncio.timeout(5):
        assert await reader.look() == 4
    assert counted == {"not-a-file": 3, "failed": 1}
    assert len(sink.told) == 1
    assert secret.exists()
    assert _names(maildir / "new") == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser gives files away")
async def test_a_file_of_another_account_is_not_believed(maildir: Path) -> None:
    os.chown(_put(maildir, "a", a_report()), 65534, 65534)
    sink, counted = Sink(), Counter[str]()
    await BounceReader(maildir, sink, count=lambda code: counted.update([code])).look()
    assert (sink.told, counted) == ([], {"foreign-owner": 1})


async def test_a_flood_is_read_a_part_at_a_time(maildir: Path) -> None:
    for number in range(MOST_AT_ONCE + 5):
        _put(maildir, f"{number:04}", a_mail(), at=number)
    reader = BounceReader(maildir, Sink())
    with structlog.testing.capture_logs() as lines:
        assert [await reader.look() for _ in range(3)] == [MOST_AT_ONCE, 5, 0]
    assert [line["count"] for line in lines] == [MOST_AT_ONCE, 5]


@pytest.mark.parametrize("name", ["new", "cur"])
async def test_a_mailbox_that_is_none_or_open_to_all_is_not_read(maildir: Path, name: str) -> None:
    _put(maildir, "a", a_report())
    (maildir / name).chmod(0o777)
    sink = Sink()
    with pytest.raises(NotAFolder, match="open-to-all"):
        await BounceReader(maildir, sink).look()
    (maildir / name).rename(maildir / "gone")
    with pytest.raises(NotAFolder, match="not-a-folder"):
        await BounceReader(maildir, sink).look()
    assert sink.told == []


async def test_the_loop_outlives_a_mailbox_that_goes_away_and_comes_back(maildir: Path) -> None:
    sink = Sink()
    (maildir / "new").rename(maildir / "away")
    with structlog.testing.capture_logs() as lines:
        running = asyncio.create_task(BounceReader(maildir, sink, poll_s=0.01).run())
        await asyncio.sleep(0.1)
        (maildir / "away").rename(maildir / "new")
        _put(maildir, "a", a_report())
        async with asyncio.timeout(5):
            await sink.heard.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    troubles = [line["code"] for line in lines if line["event"] == "bounce mailbox unusable"]
    assert troubles == ["not-a-folder"]


async def test_no_log_line_says_more_than_a_code_and_an_alert(maildir: Path) -> None:
    _put(maildir, f"1.{PERSONAL}", a_report())
    _put(maildir, f"2.{PERSONAL}", a_mail(f"From: {PERSONAL}"))
    _put(maildir, f"3.{PERSONAL}", _of_another(a_report()))
    reader = BounceReader(maildir, Sink(failures=1))
    with structlog.testing.capture_logs() as lines:
        for _ in range(2):
            await reader.look()
    assert {line["event"] for line in lines} == {
        "receipt not stored",
        "receipt",
        "mail left aside",
    }
    for word in (PERSONAL, "Arthur", "desk.example", OTHER):
        assert word not in repr(lines)
