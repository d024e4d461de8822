"""The sandbox, once for all tests and emptied for each."""

import shutil
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from gateway.mesh_mailbox.client import MeshMailbox
from tests.mesh.sandbox import ANOTHER, OURS, THEIRS, Sandbox, a_mailbox, a_peer, post


@pytest.fixture(scope="session")
def one_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    sandbox = Sandbox(folder=tmp_path_factory.mktemp("mesh"))
    yield sandbox
    sandbox.stop()


@pytest.fixture
def sandbox(one_sandbox: Sandbox) -> Sandbox:
    if one_sandbox.process is None:
        one_sandbox.start()
    for mailbox in (OURS, THEIRS, ANOTHER):
        shutil.rmtree(one_sandbox.folder / mailbox, ignore_errors=True)
    (one_sandbox.folder / "sandbox.log").write_bytes(b"")
    post(f"{one_sandbox.url}/admin/reset", None, "DELETE")
    return one_sandbox


@pytest.fixture
async def ours(sandbox: Sandbox) -> AsyncIterator[MeshMailbox]:
    mailbox = a_mailbox(sandbox)
    yield mailbox
    await mailbox.close()


@pytest.fixture
def peer(sandbox: Sandbox) -> Iterator[Any]:
    """NHS England's own client, at the other end."""
    with a_peer(sandbox, THEIRS) as client:
        yield client
