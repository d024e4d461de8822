"""The demonstration: real servers, a real gateway, the story posted, every claim checked."""

import asyncio
import contextlib
import re
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import aiohttp
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from gateway import clock
from gateway.cli.exits import NO, OK, Trouble
from gateway.cli.post import send
from gateway.demo.answers import answer_and_collect
from gateway.demo.auditing import audit
from gateway.demo.checks import Aftermath, look
from gateway.demo.events import Step, story
from gateway.demo.report import show
from gateway.demo.stage import Stage, collect_long, gateway_running, keep_received, set_up
from gateway.instance import CONFIG_NAME
from gateway.store import outbox
from gateway.store.engine import Connection
from gateway.store.place import place_of

_SETTLE_S = 15.0
_PICTURE_WIDTH = 132


def run(*, keep: Path | None, serve: bool, picture: Path | None) -> int:
    """Play the story. Exit 0 only if every claim held."""
    if keep and (keep / CONFIG_NAME).exists():
        raise Trouble(f"{keep} already holds an instance; choose another folder")
    console = Console(record=picture is not None, width=_PICTURE_WIDTH if picture else None)
    with _folder(keep) as folder:
        try:
            return asyncio.run(_play(folder, console, keep=keep, serve=serve, picture=picture))
        except asyncio.CancelledError:
            raise Trouble("stopped before the end", NO) from None


@contextlib.contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        yield keep
    else:
        with tempfile.TemporaryDirectory(prefix="throughgate-demo-") as made:
            yield Path(made)


async def _play(
    folder: Path, console: Console, *, keep: Path | None, serve: bool, picture: Path | None
) -> int:
    _stop_on_termination()
    console.print("[bold]Throughgate[/]: one release, from three agencies' systems to nine desks.")
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        steps = story(clock.now())
        task = progress.add_task("making keys, certificates and an instance", total=len(steps) + 3)
        async with set_up(folder) as stage:
            progress.update(task, advance=1, description="starting the gateway")
            async with gateway_running(stage):
                accepted = True
                for step in steps:
                    progress.update(task, advance=1, description=f"posting: {step.title}")
                    if not progress.console.is_terminal:
                        progress.console.print(f"posting: {step.title}")
                    accepted &= await _post(stage, step)
                    await settled(stage)
                progress.update(task, advance=1, description="opening alerts, checking the log")
                await collect_long(stage)
                answers = await answer_and_collect(stage)
                audited = await audit(stage.config, stage.url)
                seen = await asyncio.to_thread(look, stage, accepted, answers, audited)
                progress.stop()
                show(console, seen, stage.readers)
                if picture:
                    _save_picture(console, picture)
                if keep is not None:
                    keep_received(stage)
                    _say_where(console, keep)
                if serve:
                    await _until_stopped(console, stage)
    return OK if _all_held(seen) else NO


def _stop_on_termination() -> None:
    """Let SIGTERM unwind like Ctrl-C does, so that no server is left behind."""
    playing = asyncio.current_task()
    if playing is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, playing.cancel)


async def _post(stage: Stage, step: Step) -> bool:
    poster = stage.posters[step.agency]
    async with aiohttp.ClientSession() as session:
        status, _answer = await send(
            session, stage.url, poster.agency.name, poster.key, step.body, adapter=step.adapter
        )
    return status == 202


async def settled(stage: Stage) -> None:
    """Wait until every accepted event is decided and nothing is left to deliver.

    Raises:
        Trouble: something still waits after 15 s.
    """
    reader = place_of(stage.config).open_reader()
    try:
        async with asyncio.timeout(_SETTLE_S):
            while _waiting(reader):  # noqa: ASYNC110 - another process decides when
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise Trouble(f"alerts still wait; see {stage.folder / 'gateway.log'}", NO) from None
    finally:
        reader.close()


def _waiting(reader: Connection) -> bool:
    undecided = reader.execute("SELECT count(*) FROM event WHERE state = 'accepted'").get
    return bool(undecided) or bool(outbox.counts(reader).get("pending"))


def _save_picture(console: Console, picture: Path) -> None:
    # No web font: a picture that fetches one tells a stranger who is looking at it.
    plain = re.sub(r"@font-face {{.*?}}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    console.save_svg(str(picture), title="throughgate demo", code_format=plain)


def _say_where(console: Console, keep: Path) -> None:
    config = keep / CONFIG_NAME
    console.print(
        f"Kept in {keep}: the instance ({CONFIG_NAME}), private-keys/ of agencies and recipients,"
        " received/ as it came. Try:\n"
        f"  throughgate open {keep}/received/cmht-1.json --key {keep}/private-keys/cmht.key\n"
        f"  throughgate verify log {keep} --key {keep}/log.vkey\n"
        f"  throughgate serve --config {config}",
        soft_wrap=True,
    )


async def _until_stopped(console: Console, stage: Stage) -> None:
    console.print(f"Serving at {stage.url}. Stop with Ctrl-C.")
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.Event().wait()


def _all_held(seen: Aftermath) -> bool:
    return bool(seen.checks) and all(check.held for check in seen.checks)
