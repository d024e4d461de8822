"""Prometheus Alertmanager: alerts in over its API, a webhook out for each group of them."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from bench.driver import Post
from bench.peers.running import program, started, wait_listening
from bench.peers.side import JSON, Does, Played, events, facts
from bench.wire import HOST, free_port, post

# Groups wait as little as it allows; nothing is sent a second time within a run.
_CONFIG: Final = """\
global:
  resolve_timeout: 24h
route:
  receiver: hook
  group_by: [{group}]
  group_wait: {wait}
  group_interval: {interval}
  repeat_interval: 24h
receivers:
  - name: hook
    webhook_configs:
      - url: {url}
        send_resolved: false
"""
_MARK: Final = r'"event":"(bench-\d+)"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Alertmanager:
    """It, with a group for each post.

    An alert for each post makes one webhook each; a batch for each post makes one webhook of the
    whole batch, if all of it is there when the group's wait is over.
    """

    batch: int = 1
    wait: str = "0s"
    interval: str = "1h"

    @property
    def name(self) -> str:
        """Single or bulk."""
        return "alertmanager" if self.batch == 1 else "alertmanager_bulk"

    @property
    def what(self) -> str:
        """How it is set up."""
        groups = "a group for each alert" if self.batch == 1 else f"groups of {self.batch}"
        return f"Prometheus Alertmanager, one process, all cores; {groups}, group_wait {self.wait}"

    @property
    def does(self) -> Does:
        """It groups, silences and retries; from memory."""
        return Does(durable="no (memory)")

    @contextlib.contextmanager
    def running(self, url: str, folder: Path) -> Iterator["_Serving"]:
        """Run it without its cluster."""
        found, port = program("prometheus-alertmanager", "prometheus-alertmanager"), free_port()
        config = folder / "alertmanager.yml"
        group = "event" if self.batch == 1 else "batch"
        config.write_text(
            _CONFIG.format(group=group, wait=self.wait, interval=self.interval, url=url), "utf-8"
        )
        command = [found, f"--config.file={config}", f"--storage.path={folder / 'data'}"]
        command += [f"--web.listen-address={HOST}:{port}", "--cluster.listen-address="]
        command += ["--log.level=error"]
        with started(command, folder / "alertmanager.log") as process:
            wait_listening(port, process, "prometheus-alertmanager")
            yield _Serving(port=port, pids=(process.pid,), batch=self.batch)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Serving:
    port: int
    pids: Sequence[int]
    batch: int
    mark: str | None = _MARK

    def posts(self, first: int, count: int) -> Sequence[Post]:
        """Return a request for each batch, named by its first event."""
        every = list(events(first, count))
        groups = [every[at : at + self.batch] for at in range(0, count, self.batch)]
        return [_post(group) for group in groups]

    def marks(self, rounds: Sequence[Played]) -> Mapping[str, Sequence[str]]:
        """Return the numbers of each post's alerts: they go on from the one that names it."""
        return {
            answer.id: [mark for mark in self._numbered(answer.id) if mark in one.came.at_ns]
            for one in rounds
            for answer in one.answers
        }

    def _numbered(self, id_: str) -> Iterator[str]:
        first = int(id_.removeprefix("bench-"))
        return (f"bench-{number}" for number in range(first, first + self.batch))


def _post(group: Sequence[tuple[str, bytes]]) -> Post:
    name = group[0][0]
    body = orjson.dumps([_alert(id_, name, event) for id_, event in group])
    return Post(id=name, wire=post("/api/v2/alerts", JSON, body))


def _alert(id_: str, batch: str, event: bytes) -> Mapping[str, object]:
    labels = {"alertname": "release", "event": id_, "batch": batch}
    return {"labels": labels, "annotations": {"facts": facts(event)}}
