"""The `throughgate` command without its start-up: forked off a process that has loaded it already.

Each command is a process of its own, with its own arguments, folder, environment, streams and exit
code; what it shares with the next is the loading of modules, which costs a second of a processor.
What must be a process from its first instruction (a gateway to be killed) is started as users do.

Run as ``python -m tests.support.quick SOCKET`` it is the process that others are forked off.
"""

import array
import atexit
import contextlib
import gc
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from functools import cache
from pathlib import Path
from typing import Final, NoReturn

_ROOT: Final = Path(__file__).resolve().parents[2]
_MAX: Final = 4 * 1024 * 1024
_MODULES: Final = (
    "gateway.cli.application", "gateway.cli.recipient_keys", "gateway.cli.recipients",
    "gateway.cli.instance", "gateway.cli.log", "gateway.cli.person", "gateway.cli.audit",
    "gateway.cli.alerts", "gateway.cli.deliveries", "gateway.cli.decisions", "gateway.cli.duties",
    "gateway.cli.keys_rotate", "gateway.cli.policy", "gateway.cli.policy_explain",
    "gateway.cli.policy_replay", "gateway.cli.prove", "gateway.cli.stats", "gateway.cli.adapters",
    "gateway.cli.enrol", "gateway.cli.approvals", "gateway.cli.staff", "gateway.cli.doctor",
    "gateway.cli.post", "gateway.cli.verify_log", "gateway.cli.open", "gateway.cli.witness",
)  # fmt: skip

# What a command starts as: a small program that hands its streams over and waits.
_CLIENT: Final = """\
import array, json, os, signal, socket, sys
place = sys.argv[1]
with socket.socket(socket.AF_UNIX) as asking:
    asking.connect(place)
    asked = json.dumps([sys.argv[2:], os.getcwd(), dict(os.environ)]).encode()
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))
    asking.sendmsg([len(asked).to_bytes(4, "big")], [rights])
    asking.sendall(asked)
    pid = int.from_bytes(asking.recv(4), "big")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: os.kill(pid, number))
    ended = asking.recv(4)
code = int.from_bytes(ended, "big", signed=True) if ended else 70
if code < 0:
    signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
sys.exit(code)
"""


@cache
def command() -> tuple[str, ...]:
    """Return what to put before a command's own words. Starts the loaded process at first."""
    folder = tempfile.mkdtemp(prefix="throughgate-quick-")
    place = f"{folder}/socket"
    loaded = subprocess.Popen([sys.executable, "-m", "tests.support.quick", place], cwd=_ROOT)
    atexit.register(_end, loaded, folder)
    while not Path(place).exists():
        if loaded.poll() is not None:
            raise AssertionError("the loaded process ended")
        time.sleep(0.01)
    client = Path(folder) / "client.py"
    client.write_text(_CLIENT, "utf-8")
    return sys.executable, "-ISE", str(client), place


def shim() -> Path:
    """Return a folder to put before PATH, where `throughgate` is such a command."""
    first, *words = command()
    folder = Path(words[-1]).parent / "bin"
    script = folder / "throughgate"
    if not script.exists():
        folder.mkdir(exist_ok=True)
        script.write_text(f'#!/bin/sh\nexec {first} {" ".join(words)} "$@"\n', "utf-8")
        script.chmod(0o755)
    return folder


def _end(loaded: subprocess.Popen[bytes], folder: str) -> None:
    loaded.kill()
    loaded.wait()
    shutil.rmtree(folder, ignore_errors=True)


def _serve(place: str) -> NoReturn:
    import importlib

    for name in _MODULES:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that wait
    listener = socket.socket(socket.AF_UNIX)
    draft = Path(f"{place}.new")
    listener.bind(str(draft))
    listener.listen(64)
    gc.collect()
    gc.freeze()
    draft.rename(place)
    while True:
        asking, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _attend(asking)
        asking.close()


def _attend(asking: socket.socket) -> NoReturn:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    room = socket.CMSG_SPACE(3 * array.array("i").itemsize)
    head, ancillary, *_rest = asking.recvmsg(4, room)
    streams = array.array("i")
    streams.frombytes(ancillary[0][2][: 3 * streams.itemsize])
    size, asked = int.from_bytes(head, "big"), b""
    while len(asked) < min(size, _MAX):
        asked += asking.recv(65536)
    words, folder, environment = json.loads(asked)
    pid = os.fork()
    if pid == 0:
        asking.close()
        _run(words, folder, environment, streams)
    for stream in streams:
        os.close(stream)
    asking.sendall(pid.to_bytes(4, "big"))
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    asking.sendall(code.to_bytes(4, "big", signed=True))
    os._exit(0)


def _run(
    words: list[str], folder: str, environment: dict[str, str], streams: "array.array[int]"
) -> NoReturn:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    for stream in streams:
        if stream > 2:
            os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["throughgate", *words]
    sys.modules["__main__"].__package__ = ""  # or the usage lines would name this module
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)), "utf-8")
    out, err = (io.BufferedWriter(io.FileIO(one, "w", closefd=False)) for one in (1, 2))
    sys.stdout = io.TextIOWrapper(out, "utf-8")
    sys.stderr = io.TextIOWrapper(err, "utf-8", line_buffering=True)
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr
    code: object = 0
    try:
        from gateway.cli import main

        main()
    except SystemExit as ended:
        code = ended.code
    except BaseException:  # noqa: BLE001 - as the interpreter itself would
        traceback.print_exc()
        code = 1
    if isinstance(code, str):
        sys.stderr.write(f"{code}\n")
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    _serve(sys.argv[1])
