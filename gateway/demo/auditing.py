"""The end of the story: a witness has cosigned the log, and a data protection officer asks it."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import aiohttp

from gateway import clock
from gateway.adoption import law_in_force
from gateway.audit import pack
from gateway.audit.answer import Answer
from gateway.audit.asking import Asking, answer
from gateway.audit.check_pack import Checked, check_pack
from gateway.audit.findings import Auditor, Finding
from gateway.audit.questions import posed
from gateway.audit.scope import EVERYTHING
from gateway.cli.exits import Trouble
from gateway.config import Config
from gateway.directory import Directory
from gateway.instance import VKEY_NAME, commit_one, sealed_store, verifiers_of
from gateway.model.decision import Reason
from gateway.model.ids import PersonRef
from gateway.store.place import place_of
from gateway.witness.witness import Witness, create

WITNESS: Final = "witness.example/1"
POLICY_NAME: Final = "witnesses.policy"
_FOLDER: Final = "witness"
_READY_S: Final = 20.0
_COSIGNED_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """What the officer got."""

    answer: Answer  # who was told of the person
    checked: Checked  # the pack made of it, as whoever receives it checks it
    last: Finding  # the last disclosure
    proof: str  # its tlog-proof, as anybody may fetch it


def make_witness(folder: Path, port: int) -> None:
    """Make a witness beside the instance, and the policy that names it."""
    ed25519, _post_quantum = create(folder / _FOLDER, WITNESS)
    text = f"witness local {ed25519} http://127.0.0.1:{port}\nquorum local\n"
    (folder / POLICY_NAME).write_text(text, "utf-8")


@contextlib.asynccontextmanager
async def witness_running(config: Config, port: int) -> AsyncIterator[None]:
    """Run the witness, which knows this instance's log, as a process of its own."""
    folder = config.home / _FOLDER
    with contextlib.closing(Witness.open(folder, clock.now)) as witness:
        for key in verifiers_of(config):
            witness.add_log(str(key))
    with (folder / "witness.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", "witness", "serve", "--dir", str(folder),
            "--port", str(port), stdout=log, stderr=log,
        )  # fmt: skip
        try:
            await _ready(port, process)
            yield
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def audit(config: Config, url: str) -> Audited:
    """Ask who was told of the person the last disclosure is about; pack the answer; check it."""
    with Auditor.open(place_of(config), _vkey(config)) as auditor:
        last = auditor.findings()[-1]
    connection = place_of(config).open_reader()
    with contextlib.closing(connection):
        law = law_in_force(config, connection).law
        asking = Asking(
            connection=connection,
            sealed=sealed_store(config),
            directory=Directory(connection, law.catalogues),
            law=law,
            verifiers=verifiers_of(config),
            now=clock.now(),
            staff="dpo-example",
            scope=EVERYTHING,
            purpose="lawfulness",
            justification="the closing look of the demonstration",
        )
        question = posed("who-knows", person=PersonRef(last.entry["person"]))
        found = await answer(question, asking, partial(commit_one, config))
        proof = await _witnessed_proof(url, last.leaf_index)
        if isinstance(found, Reason):
            raise Trouble(found.text)
        made = pack.pack_of(found, connection, asking.verifiers, now=clock.now())
    checked = check_pack(pack.as_zip(made), asking.verifiers)
    return Audited(answer=found, checked=checked, last=last, proof=proof)


def _vkey(config: Config) -> str:
    return (config.home / VKEY_NAME).read_text("utf-8").strip()


async def _witnessed_proof(url: str, index: int) -> str:
    """Fetch the proof of an entry once a witnessed checkpoint covers it, or what there is."""
    async with aiohttp.ClientSession() as session:
        for _ in range(int(_COSIGNED_S / 0.1)):
            async with session.get(f"{url}/log/proof/{index}") as response:
                proof = await response.text()
            if WITNESS in proof:
                break
            await asyncio.sleep(0.1)
    return proof


async def _ready(port: int, process: asyncio.subprocess.Process) -> None:
    async with aiohttp.ClientSession() as session, asyncio.timeout(_READY_S):
        while process.returncode is None:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(f"http://127.0.0.1:{port}/health") as response:
                    if response.status == 200:
                        return
            await asyncio.sleep(0.05)
    raise Trouble("the witness did not start", 1)
