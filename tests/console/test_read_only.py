"""A gateway on an old backup, at its console: two officers find out, agree, and it goes on."""

import asyncio
import re
import shutil
from pathlib import Path

from gateway.disclosure_log.checkpoint import parse_checkpoint
from tests import canaries
from tests.console.passing import enrolled, enters, visited
from tests.console.stage import Client, Clock, hidden
from tests.gateway_in_process import NAME, Gateway, gateway, planned_release, police, serving
from tests.support.authenticator import Authenticator

APPROVALS = "/console/approvals"


async def sent(client: Client, path: str, fields: dict[str, str]) -> tuple[int, str, str]:
    """Post a form of a page; return the status, where it leads and what it says."""
    shown = await client.get(path)
    answer = await client.post(path, fields, csrf=hidden(shown.text, "csrf"))
    return answer.status, answer.to, answer.text


async def test_two_officers_read_what_happened_and_go_on(tmp_path: Path) -> None:
    folder, now = tmp_path / "instance", Clock()
    async with gateway(folder, recipients=[police()[0]], now=now) as served:
        key, config = served.key, served.config
        async with visited(served) as visiting:
            devices = [await enrolled(visiting, "dpo", number=number) for number in (1, 2)]
            devices.append(await enrolled(visiting, "operator", number=3))
    database = config.path(config.instance.database)
    shutil.copy(database, tmp_path / "backup.db")
    async with serving(folder, config, key, now=now) as served:
        assert (await served.post(planned_release()))[0] == 202
    for one in folder.glob("throughgate.db*"):
        one.unlink()
    shutil.copy(tmp_path / "backup.db", database)
    async with serving(folder, config, key, now=now) as served:
        await goes_on(served, devices, now)


async def goes_on(served: Gateway, devices: list[Authenticator], now: Clock) -> None:
    async with visited(served) as visiting:
        first, second, operator = (visiting.client() for _ in range(3))
    for client, device in zip((first, operator), (devices[0], devices[2]), strict=True):
        assert (await enters(client, device)).to == "/console"
        assert "Nothing is taken, decided or sent" in (await client.get("/console")).text
        said = (await client.get("/console/log")).text
        assert "restored from a backup" in said
        assert f"{NAME}/2" in said
    assert f'href="{APPROVALS}#gap"' in (await first.get("/console/log")).text
    assert "Tell a data protection officer" in (await operator.get("/console/log")).text
    status, _, said = await sent(first, "/console/evidence/rule", {"rule": "SAFE-0"})
    assert (status, "This has to wait" in said) == (503, True)

    gap = {"kind": "gap", "gap-reason": "restored-from-backup"}
    assert (await sent(first, APPROVALS, gap))[:2] == (303, f"{APPROVALS}?done=proposed")
    erasure = {"kind": "erasure", "person": "per_" + "0" * 32, "reason": "court-order"}
    assert (await sent(first, APPROVALS, erasure))[0] == 422
    found = re.search(rf'href="({APPROVALS}/apr_[0-9a-f]+)"', (await first.get(APPROVALS)).text)
    assert found is not None
    path = found[1]
    status, _, said = await sent(first, path, {"decision": "approved"})
    assert (status, "it takes a second person" in said) == (422, True)

    await enters(second, devices[1])
    now.pass_by(minutes=6)
    assert (await second.get(path)).to == f"/console/sign-in?again={path}"
    assert (await enters(second, devices[1], again=path)).to == path
    before = await served.session.get(f"{served.url}/log/checkpoint")
    assert parse_checkpoint(await before.text()).origin == NAME
    status, to, _ = await sent(second, path, {"decision": "approved"})
    assert (status, to) == (303, f"{APPROVALS}?done=approved")

    now.pass_by(minutes=-6)  # what agencies sign is good for five
    assert (await served.post(planned_release()))[0] == 202
    while not served.entries("disclosure"):  # noqa: ASYNC110 - another thread's table
        await asyncio.sleep(0.05)
    after = await served.session.get(f"{served.url}/log/checkpoint")
    assert parse_checkpoint(await after.text()).origin == f"{NAME}/2"
    log = (await second.get("/console/log")).text
    assert "behind what was published" not in log
    assert f"{NAME}/2" in log
    size = parse_checkpoint(await (await served.session.get(f"{served.url}/log/checkpoint")).text())
    verified = await sent(second, "/console/log", {"first": "0", "last": str(size.size - 1)})
    assert ">Verified<" in re.sub(r"\s", "", verified[2])
    assert (await second.get("/console")).text.count("Nothing is taken") == 0
    (gap_entry,) = served.entries("gap")
    assert (gap_entry["proposed_by"], gap_entry["approved_by"]) == ("dpo-01", "dpo-02")
    entered = [one["staff"] for one in served.entries("sign-in") if one["outcome"] == "signed-in"]
    assert entered[:4] == ["dpo-01", "operator-03", "dpo-02", "dpo-02"]
    assert canaries.found_in(log) == []
