"""The contest with the peers: what counts, what does not, and the lines it ends with."""

import itertools
import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bench.driver import Answer, Driver, Post
from bench.peers import __main__ as entry
from bench.peers import installed, table
from bench.peers.alertmanager import Alertmanager
from bench.peers.contest import Figures, Outcome, Plan, compare, latencies_ms
from bench.peers.pipelines import Apprise
from bench.peers.running import redis_running
from bench.peers.side import Does, Played, Serving, events
from bench.peers.tally import Came, Tally
from bench.problem import NotMeasured
from bench.wire import post
from tests.support.servers import require

TINY = Plan(events=6, rounds=1, warm_up=2, connections=2)


@dataclass(frozen=True, kw_only=True)
class Side:
    """A side that nobody starts."""

    name: str
    what: str = "nothing"
    does: Does = field(default_factory=Does)
    batch: int = 1

    def running(self, url: str, folder: Path) -> AbstractContextManager[Serving]:
        raise NotMeasured(f"{self.name} is not here")


def _figures(per_second: float) -> Figures:
    return Figures(per_second=per_second, cpu_ms=0.5, half_load_ms=(1, 2, 3), webhooks=9, repeats=1)


def _outcomes(**rates: float | None) -> list[Outcome]:
    return [
        Outcome(side=Side(name=name), why="it is not here")
        if rate is None
        else Outcome(side=Side(name=name), figures=_figures(rate))
        for name, rate in rates.items()
    ]


def test_the_last_lines_are_the_five_ratios_ours_over_theirs() -> None:
    outcomes = _outcomes(
        single=900, celery=300, alertmanager=1800, bulk=6000, alertmanager_bulk=4000,
        two_processes=1530, postgres_redis=1200,
    )  # fmt: skip
    assert list(table.lines(outcomes))[-5:] == [
        "single_over_celery: 3.00",
        "single_over_alertmanager: 0.50",
        "bulk_over_alertmanager: 1.50",
        "two_processes_over_one: 1.70",
        "postgres_redis_over_embedded: 1.33",
    ]


def test_a_side_without_figures_says_why_and_its_ratio_is_nan() -> None:
    printed = list(table.lines(_outcomes(single=900, celery=None, two_processes=1800)))
    assert "celery not measured: it is not here" in printed
    assert printed[-5:] == [
        "single_over_celery: nan",
        "single_over_alertmanager: nan",
        "bulk_over_alertmanager: nan",
        "two_processes_over_one: 2.00",
        "postgres_redis_over_embedded: nan",
    ]


def test_the_table_has_a_row_for_each_side_and_what_it_does() -> None:
    head, *rows = itertools.takewhile(bool, table.lines(_outcomes(single=900, celery=None)))
    assert head.split()[:3] == ["side", "events/s", "CPU"]
    assert [row.split()[0] for row in rows] == ["single", "celery"]
    assert rows[0].split()[1:6] == ["900", "0.50", "1.0", "3.0", "1"]


def test_every_ratio_is_of_sides_there_are() -> None:
    named = {side for pair in table.RATIOS.values() for side in pair}
    assert named <= set(entry.SIDES)


def test_one_that_cannot_start_leaves_the_others_be(tmp_path: Path) -> None:
    absent, other = compare([Side(name="absent"), Side(name="other")], TINY, tmp_path)
    assert (absent.figures, absent.why) == (None, "absent is not here")
    assert other.why == "other is not here"


def _port(tally: Tally) -> int:
    return int(tally.url("").rpartition(":")[2].partition("/")[0])


def _post(tally: Tally, webhooks: Sequence[tuple[str, str, bytes]]) -> None:
    with Driver(connections=1) as driver:
        driver.drive(
            _port(tally),
            [
                Post(id=str(number), wire=post(path, {"webhook-id": id_}, body))
                for number, (path, id_, body) in enumerate(webhooks)
            ],
            per_second=None,
        )


def test_an_event_counts_once_for_its_own_side_however_often_it_comes() -> None:
    with Tally() as tally:
        tally.expect("one", 2, None)
        _post(tally, [("/one", "a", b"first"), ("/two", "b", b""), ("/one", "a", b""),
                      ("/one", "c", b"")])  # fmt: skip
        came = tally.came(within_s=10)
        assert (set(came.at_ns), came.repeats, came.body) == ({"a", "c"}, 1, b"first")
        _post(tally, [("/one", "a", b"")])
        tally.expect("one", 0, None)
        late = tally.came(within_s=10)
        assert (set(late.at_ns), late.repeats) == (set(), 1)


def test_a_webhook_counts_for_every_event_in_it() -> None:
    with Tally() as tally:
        tally.expect("bulk", 3, r'"event":"(bench-\d+)"')
        body = b'[{"event":"bench-1"},{"event":"bench-2"},{"event":"bench-1"}]'
        _post(tally, [("/bulk", "w1", body), ("/bulk", "w2", b'{"event":"bench-30"}')])
        came = tally.came(within_s=10)
    assert set(came.at_ns) == {"bench-1", "bench-2", "bench-30"}
    assert (came.webhooks, came.repeats) == (2, 0)


def test_what_does_not_come_is_no_measurement_and_does_not_count_later() -> None:
    with Tally() as tally:
        tally.expect("one", 1, None)
        with pytest.raises(NotMeasured, match="fewer events"):
            tally.came(within_s=0.05)
        _post(tally, [("/one", "late", b"")])
        tally.expect("two", 0, None)
        assert tally.came(within_s=10).webhooks == 0


def _played(sent: dict[str, int], came: dict[str, int]) -> Played:
    answers = [Answer(id=id_, sent_ns=at, status=202, body=b"") for id_, at in sent.items()]
    return Played(
        answers=answers, came=Came(at_ns=came, webhooks=1, repeats=0, head=b"", body=b""), cpu_s=0
    )


def test_each_event_of_a_post_is_timed_from_its_posts_leaving() -> None:
    one = _played({"p": 1_000_000}, {"a": 3_000_000, "b": 4_000_000})
    assert latencies_ms(one, {"p": ["a", "b"]}) == [2.0, 3.0]


@pytest.mark.parametrize("marks", [{"p": ["a", "c"]}, {"p": ["a"]}, {}])
def test_events_and_webhooks_that_do_not_match_are_no_measurement(
    marks: dict[str, list[str]],
) -> None:
    with pytest.raises(NotMeasured, match=r"no webhook of its own|no event of the round"):
        latencies_ms(_played({"p": 1}, {"a": 3, "b": 4}), marks)


def test_peers_are_given_the_same_events_as_the_gateway() -> None:
    (first, body), (second, _) = events(7, 2)
    assert (first, second) == ("bench-7", "bench-8")
    assert b'"family_name":"Specimen-Quartz"' in body


@pytest.mark.parametrize("side", [Alertmanager(), Alertmanager(batch=3, wait="50ms")])
def test_alertmanager_is_measured(side: Alertmanager, tmp_path: Path) -> None:
    require("prometheus-alertmanager", "prometheus-alertmanager")
    (outcome,) = compare([side], TINY, tmp_path)
    assert outcome.why == ""
    found = outcome.figures
    assert found is not None
    assert found.per_second > 0
    assert 0 < found.half_load_ms[0] <= found.half_load_ms[2]
    assert found.repeats == 0
    times = 1 if side.batch == 1 else TINY.in_bulk
    posted = times * (TINY.warm_up + TINY.events + TINY.events // 2)
    assert found.webhooks >= posted // side.batch


def test_a_server_of_the_contest_ends_with_its_block(tmp_path: Path) -> None:
    require("redis-server", "redis-server")
    with redis_running(tmp_path) as (port, pid):
        assert port > 0
        assert Path(f"/proc/{pid}").exists()
    assert not Path(f"/proc/{pid}").exists()


def test_packages_that_cannot_be_installed_are_a_reason_not_a_figure(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    apprise = Apprise(cache=installed.Cache(folder=tmp_path / "file"))
    (outcome,) = compare([apprise], TINY, tmp_path)
    assert outcome.figures is None
    assert outcome.why.startswith("could not install from PyPI: ")


def test_asking_for_a_side_that_does_not_run_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(entry.SIDES, "celery", lambda _asked, _cache: Side(name="celery"))
    assert entry.main(["--only", "celery", "--events", "2", "--rounds", "1"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-5] == "single_over_celery: nan"
    assert math.isnan(float(lines[-1].split(": ")[1]))
