"""One page, read and done: its blocks run in order, each a process of its own, in one folder."""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import aiohttp

from tests.docs.pages import Block
from tests.support.node import node_package
from tests.support.quick import shim

ADDRESS = "127.0.0.1:8080"  # where every page says the gateway listens
_LIMIT_S = 60
_BIN = Path(sys.executable).parent


class Session:
    """Runs the blocks of one page, as a reader would who has the folder open in a terminal."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self._folder = folder
        self._port = port or _free_port()
        self._printed = ""
        self._running: list[asyncio.subprocess.Process] = []

    async def do(self, block: Block) -> None:
        """Carry a block out; raises AssertionError when it does not end as the page says."""
        text = block.text.replace(ADDRESS, f"127.0.0.1:{self._port}")
        if block.order == "file":
            (self._folder / block.argument).write_text(text, "utf-8")
        if block.order == "output":
            assert self._printed == text
        if block.language not in _RUN:
            return
        self._move_ports()
        if block.language == "javascript":
            self._install("jose")
        command = [str(word) for word in _RUN[block.language](text)]
        if block.order == "background":
            await self._start(command)
        else:
            expected = int(block.argument) if block.order == "exit" else 0
            await self._run(command, expected)

    async def stop(self) -> None:
        """End what still runs."""
        for process in self._running:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()

    def _install(self, package: str) -> None:
        packages = self._folder / "node_modules"
        if not packages.exists():
            packages.symlink_to(node_package(package).parent)

    async def _run(self, command: list[str], expected: int) -> None:
        process = await self._spawn(command, asyncio.subprocess.PIPE)
        printed, errors = await asyncio.wait_for(process.communicate(), _LIMIT_S)
        self._printed = printed.decode()
        assert process.returncode == expected, f"{self._printed}\n{errors.decode()}"

    async def _start(self, command: list[str]) -> None:
        process = await self._spawn(command, asyncio.subprocess.DEVNULL)
        self._running.append(process)
        url = f"http://127.0.0.1:{self._port}/health/ready"
        async with aiohttp.ClientSession() as http, asyncio.timeout(_LIMIT_S):
            while process.returncode is None:
                with contextlib.suppress(aiohttp.ClientError):
                    async with http.get(url) as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(0.05)
        raise AssertionError("it ended instead of serving")

    async def _spawn(self, command: list[str], sink: int) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *command, cwd=self._folder, env=self._environment(), stdout=sink, stderr=sink
        )

    def _environment(self) -> Mapping[str, str]:
        path = os.pathsep.join([str(shim()), str(_BIN), os.environ["PATH"]])
        return {"PATH": path, "HOME": str(self._folder), "LANG": "C.UTF-8", "NO_COLOR": "1"}

    def _move_ports(self) -> None:
        """Let an instance the page made listen where there is room."""
        for config in self._folder.glob("*/throughgate.toml"):
            text = config.read_text("utf-8")
            config.write_text(text.replace("port = 8080", f"port = {self._port}"), "utf-8")


_RUN: Mapping[str, Callable[[str], list[str | Path]]] = {
    "sh": lambda text: ["bash", "-euo", "pipefail", "-c", text],
    "python": lambda text: [sys.executable, "-c", text],
    "javascript": lambda text: ["node", "--input-type=module", "-e", text],
}


@contextlib.asynccontextmanager
async def session(folder: Path, port: int | None = None) -> AsyncIterator[Session]:
    """Yield a session and end everything it started."""
    opened = Session(folder, port)
    try:
        yield opened
    finally:
        await opened.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
