"""One run: make it, let it work under faults, heal it, let it drain, and take its log.

What it saw is left in the run's folder as journals; `tests.jepsen.judge` reads them there.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import aiohttp

from gateway.demo.cast import Poster, make_posters
from gateway.instance import CONFIG_NAME
from tests.jepsen.embedded import Embedded
from tests.jepsen.journal import Journal
from tests.jepsen.plan import Plan, Reader
from tests.jepsen.processes import Process, free_port
from tests.jepsen.producer import Producer
from tests.jepsen.reading import BUNDLE, INSTANCE
from tests.jepsen.scaled import Scaled, servers
from tests.jepsen.systems import SECTIONS, Fault, System, left, made, new_readers, vkey

PRISON = "hmp-exampleton"
SETTLED_S = 60.0  # from the end of the last fault until nothing is left to do


@dataclass(slots=True)
class Receivers:
    """The recipients' processes; one that was killed starts again as its next run."""

    folder: Path
    readers: tuple[Reader, ...]
    running: dict[str, Process] = field(default_factory=dict)
    runs: dict[str, int] = field(default_factory=dict)
    _all: list[Process] = field(default_factory=list)

    async def start(self, reader: Reader) -> None:
        """Start one, and wait until it listens."""
        run = self.runs[reader.id] = self.runs.get(reader.id, -1) + 1
        process = self.running[reader.id] = Process(
            name=reader.id,
            words=("-m", "tests.jepsen.receiver", str(self.folder), reader.id, str(run)),
            log=self.folder / f"{reader.id}.log",
        )
        self._all.append(process)
        await process.start()
        async with asyncio.timeout(20):
            while not await _listens(reader.port):  # noqa: ASYNC110 - another process listens
                await asyncio.sleep(0.03)

    async def heal(self) -> None:
        """Let all of them fail no more."""
        for process in self.running.values():
            os.kill(process.pid, signal.SIGUSR1)

    async def stop(self) -> None:
        """Stop all in order, so that their journals are whole."""
        await asyncio.gather(*(one.terminate() for one in self.running.values()))

    def end(self) -> None:
        """Kill what is left."""
        for one in self._all:
            one.end()


@dataclass(slots=True)
class Run:
    """One run under way."""

    plan: Plan
    folder: Path
    system: System
    producer: Producer
    receivers: Receivers
    journal: Journal
    witness: Journal

    async def whole(self) -> None:
        """Do all of it; the system has stopped at the end."""
        for reader in self.plan.readers:
            await self.receivers.start(reader)
        await self.system.start()
        watching = asyncio.create_task(self._watch())
        posting = asyncio.create_task(self.producer.run())
        try:
            await self._harm()
            self.producer.stop()
            await posting
            await self._settle()
            await self._fetch(self.plan.urls[0])
        finally:
            watching.cancel()
            posting.cancel()
            await asyncio.gather(watching, posting, return_exceptions=True)
        code = await self.system.stop()
        await self.receivers.stop()
        self.journal.write("stopped", code=code)

    async def _harm(self) -> None:
        """Let one fault follow the other for as long as the plan says; each is undone."""
        rng = self.plan.rng("nemesis")
        faults = self._faults()
        names = [name for name, fault in faults.items() for _ in range(fault.weight)]
        loop = asyncio.get_running_loop()
        until = loop.time() + self.plan.seconds
        await asyncio.sleep(rng.uniform(0.3, 0.8))
        number = 0
        while loop.time() < until or number == 0:
            name = rng.choice(names)
            number = self.journal.begin("fault", name=name, disrupts=faults[name].disrupts)
            await faults[name].harm(rng)
            self.journal.write("fault", n=number, name=name, state="ok")
            await asyncio.sleep(rng.uniform(0.1, 0.6))

    def _faults(self) -> Mapping[str, Fault]:
        """Return what may be done, to the system and around it, as far as the plan has it."""
        found = {
            **self.system.faults(),
            "storm": Fault(harm=self.producer.storm, disrupts=False),
            "receiver-dies": Fault(harm=self._receiver_dies, disrupts=False),
        }
        only = self.plan.only
        assert set(only) <= found.keys(), f"no such fault: {set(only) - found.keys()}"
        return {name: fault for name, fault in found.items() if not only or name in only}

    async def _receiver_dies(self, rng: Random) -> None:
        reader = rng.choice(self.plan.readers)
        process = self.receivers.running[reader.id]
        await process.kill()
        self.journal.write("killed", journal=f"{reader.id}.{self.receivers.runs[reader.id]}")
        await asyncio.sleep(rng.uniform(0.1, 1.0))
        await self.receivers.start(reader)

    async def _settle(self) -> None:
        """Heal everything, post until each post is answered, and wait until nothing is left."""
        await self.receivers.heal()
        await self.system.heal()
        loop = asyncio.get_running_loop()
        began = loop.time()
        found = None
        unready: list[str] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLED_S):
                await self.producer.settle()
                while not (found := left(self.system.config)).drained:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
                while unready := await self.system.unready():  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
        found = found or left(self.system.config)
        unready = unready or await self.system.unready()
        self.journal.write(
            "left",
            after_s=round(loop.time() - began, 2),
            unready=unready,
            unanswered=list(self.producer.left),
            undecided=found.undecided,
            owed=found.owed,
            quarantined=found.quarantined,
        )

    async def _watch(self) -> None:
        """Fetch checkpoints all the while, as a witness would."""
        rng = self.plan.rng("witness")
        while True:
            await self._fetch(rng.choice(self.plan.urls))
            await asyncio.sleep(rng.uniform(0.02, 0.2))

    async def _fetch(self, url: str) -> None:
        number = self.witness.begin("checkpoint", url=url)
        note, state = "", "fail"
        try:
            timeout = aiohttp.ClientTimeout(total=3)
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(f"{url}/log/checkpoint") as response,
            ):
                if response.status == 200:
                    note, state = await response.text(), "ok"
        except (aiohttp.ClientError, TimeoutError):
            pass
        finally:
            self.witness.write("checkpoint", n=number, state=state, note=note)


async def record(plan: Plan, folder: Path) -> None:
    """Carry out one run and leave its journals, its log and its key in a folder, which must be new.

    Raises:
        AssertionError: something did not start, at the beginning or after a fault.
    """
    folder.mkdir(parents=True)
    poster = make_posters()[PRISON]
    ports = tuple(free_port() for _ in range(2 if plan.form == "scaled" else 1))
    urls = tuple(f"http://127.0.0.1:{port}" for port in ports)
    plan = replace(plan, readers=plan.readers or new_readers(plan.receivers), urls=urls)
    plan.write(folder)
    instance = folder / INSTANCE
    instance.mkdir(mode=0o700)
    async with _built(plan, instance, poster, ports) as system:
        receivers = Receivers(folder, plan.readers)
        try:
            with (
                Journal(folder / "driver.jsonl", seed=plan.seed) as journal,
                Journal(folder / "producer.jsonl", seed=plan.seed) as posts,
                Journal(folder / "witness.jsonl", seed=plan.seed) as witness,
            ):
                producer = Producer(plan, poster, posts)
                await Run(plan, folder, system, producer, receivers, journal, witness).whole()
        finally:
            system.end()
            receivers.end()
        if plan.form == "scaled":  # else it is in the instance's own file
            await _take_log(instance, folder / BUNDLE)
        (folder / "vkey").write_text(vkey(system.config), "utf-8")


@contextlib.asynccontextmanager
async def _built(
    plan: Plan, instance: Path, poster: Poster, ports: tuple[int, ...]
) -> AsyncIterator[System]:
    """Make the instance and what serves it, with its servers if it has any; nothing runs yet."""
    if plan.form == "embedded":
        sections = SECTIONS.format(port=ports[0])
        config = await made(instance, poster, sections, plan.readers)
        yield Embedded(
            config=config,
            folder=instance,
            url=plan.urls[0],
            workers=plan.workers,
            planted=plan.planted,
        )
        return
    async with servers() as found:
        config = await made(instance, poster, found.sections(ports[0], free_port()), plan.readers)
        yield Scaled(
            config=config, folder=instance, servers=found, ports=ports, planted=plan.planted
        )


async def _take_log(instance: Path, bundle: Path) -> None:
    """Export the log as its operator would."""
    words = ("log", "export", "--config", str(instance / CONFIG_NAME), "--out", str(bundle))
    done = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", *words, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await done.communicate()
    assert done.returncode == 0, said.decode("utf-8", "replace")[-2000:]


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
