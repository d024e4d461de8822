"""One journey about the canary, and everything an operator can see of it: nobody is in it."""

import asyncio
import contextlib
import io
from pathlib import Path

from gateway import operator_log
from gateway.cli.doctor import doctor
from gateway.exposition import Exposition
from gateway.instance import CONFIG_NAME
from tests import canaries
from tests.gateway_in_process import gateway, planned_release, police
from tests.operators.observed import collector, logging_anew

PAGES = ("/metrics", "/health/ready", "/health/live", "/log/checkpoint", "/log/vkey")


async def test_no_sink_of_the_operators_shows_anybody(tmp_path: Path) -> None:
    recipient, _ = police()
    sinks: dict[str, str] = {}
    lines = io.StringIO()
    async with collector() as kept:
        section = f'[telemetry]\notlp_endpoint = "{kept.url}"\n'
        with contextlib.redirect_stderr(lines), logging_anew():
            operator_log.configure()
            async with gateway(tmp_path / "i", recipients=[recipient], sections=section) as served:
                await served.post(planned_release())
                await served.post(b'{"data": "' + canaries.NAME.encode() + b'"}')
                async with asyncio.timeout(20):
                    while not served.entries("attempt"):  # noqa: ASYNC110
                        await asyncio.sleep(0.1)
                for path in PAGES:
                    async with served.session.get(served.url + path) as answer:
                        assert answer.status == 200
                        sinks[path] = await answer.text()
    sinks["log lines"] = lines.getvalue()
    sinks["traces"] = b"".join(kept.bodies).decode("utf-8", "replace")
    sinks["doctor"] = examined(tmp_path / "i" / CONFIG_NAME)
    sinks["workers' files"] = kept_by_a_worker(tmp_path / "i/throughgate.metrics")
    assert [name for name, text in sinks.items() if not text] == []
    for name, text in sinks.items():
        assert canaries.found_in(text) == [], name
        assert "198.51.100" not in text, name
    assert list(canaries.leaks(tmp_path)) == []


def examined(file: Path) -> str:
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        doctor(file, url=None, network=False, full=True, every=True, as_json=True)
    return shown.getvalue()


def kept_by_a_worker(folder: Path) -> str:
    from gateway import clock

    Exposition(folder=folder, slot=0, slots=2, now=clock.now).text([])
    return (folder / "worker-0.json").read_text("utf-8")
