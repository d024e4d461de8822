"""The demonstration's events, and all that operators and officers are shown of them: nobody."""

import asyncio
import contextlib
import io
import json
import re
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pypdf
import structlog
from aiohttp import web

from gateway import clock, operator_log
from gateway.cli.post import send
from gateway.console.page import ConsoleRoute
from gateway.console.pages import every
from gateway.demo.cast import WEBHOOK_RECIPIENTS, make_posters, make_readers
from gateway.demo.events import story
from gateway.demo.messages import (
    CRN,
    NHS_NUMBER,
    NOMS,
    RELEASE_BOARD,
    RELEASE_BOARD_MAPPING,
)
from gateway.instance import create
from gateway.registration import register_agency, register_recipients
from gateway.store.log_index import catch_up
from tests import canaries
from tests.console.passing import visited
from tests.console.stage import Answered, Client, Stage
from tests.gateway_in_process import NAME, Gateway, planned_release, serving

WORDS = "the-words-that-are-kept-sealed"
WHY = {"why": f"For {WORDS}"}
TABLE = f'[[table]]\nname = "{RELEASE_BOARD}"\nmapping = "{RELEASE_BOARD}.toml"\n'
EXPORTS = ("csv", "zip", "pdf")
SINCE = {"since-day": "1", "since-month": "1", "since-year": "2026"}
FOUND = {"discovered-day": "2", "discovered-month": "1", "discovered-year": "2026"}


@contextlib.asynccontextmanager
async def told_the_story(folder: Path) -> AsyncIterator[Gateway]:
    """Serve a gateway that was posted every event of the demonstration, and the tests' own."""
    config = await create(folder, name=NAME, sections=TABLE)
    (folder / f"{RELEASE_BOARD}.toml").write_text(RELEASE_BOARD_MAPPING, "utf-8")
    posters = make_posters()
    for poster in posters.values():
        await register_agency(config, poster.agency)
    hooks = dict.fromkeys(WEBHOOK_RECIPIENTS, "https://198.51.100.7/hook")
    await register_recipients(config, [one.recipient for one in make_readers(hooks).values()])
    async with serving(folder, config, posters["hmp-exampleton"].key) as served:
        for step in story(clock.now()):
            poster = posters[step.agency]
            status, _ = await send(
                served.session, served.url, step.agency, poster.key, step.body,
                adapter=step.adapter,
            )  # fmt: skip
            assert status == 202, step.title
        assert (await served.post(planned_release()))[0] == 202
        yield served


class Sinks:
    """All that was shown, by where, and which pages were seen."""

    def __init__(self) -> None:
        self.shown: dict[str, str] = {}
        self.paths: set[str] = set()

    def page(self, who: str, path: str, answer: Answered) -> Answered:
        assert answer.status == 200, (path, answer.status)
        self.paths.add(path.partition("?")[0])
        where = f"{who} {path}"
        kept = "attachment" in answer.headers.get("content-disposition", "")
        self.shown[f"{'kept: ' if kept else ''}{where} {len(self.shown)}"] = answer.text
        said = [f"{name}: {value}" for name, value in answer.headers.items()]
        self.shown[f"headers of {where}"] = "\n".join([*said, answer.cookies.output()])
        if answer.headers["content-type"].startswith("application/pdf"):
            reader = pypdf.PdfReader(io.BytesIO(answer.body))
            self.shown[f"kept: {where} pdf"] = "\n".join(one.extract_text() for one in reader.pages)
        if answer.headers["content-type"] == "application/zip":
            with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
                for name in archive.namelist():
                    self.shown[f"kept: {where} {name}"] = archive.read(name).decode(
                        "utf-8", "replace"
                    )
        return answer


async def test_no_page_export_address_cookie_line_or_metric_shows_anybody(tmp_path: Path) -> None:
    sinks, lines = Sinks(), io.StringIO()
    before = structlog.get_config()
    with contextlib.redirect_stderr(lines):
        try:
            operator_log.configure()
            async with told_the_story(tmp_path / "i") as served, visited(served) as visiting:
                await decided(visiting)
                await as_operator(sinks, visiting)
                await as_officer(sinks, visiting)
                async with served.session.get(f"{served.url}/metrics") as answer:
                    sinks.shown["metrics"] = await answer.text()
                unseen = [one for one in pages_of(visiting) if not seen(one, sinks.paths)]
        finally:
            structlog.configure(**before)
    sinks.shown["log lines"] = lines.getvalue()
    assert unseen == []
    assert all(sinks.shown.values())
    for name, text in sinks.shown.items():
        assert canaries.found_in(text) == [], name
        # A page carries them on to the next, for who said them; nothing else does.
        assert WORDS not in text or name.startswith("dpo /console"), name
    assert not re.search(r"per_|evt_", "".join(sinks.paths))


async def decided(visiting: Stage) -> None:
    """Wait until every event is decided, and the index covers what was logged of it."""
    async with asyncio.timeout(30):
        while visiting.row("SELECT count(*) FROM event WHERE state = 'accepted'"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    while await visiting.store.commit(catch_up(1000)):
        pass


def pages_of(visiting: Stage) -> list[ConsoleRoute]:
    """Return every page an operator or an officer may see."""
    return [
        one
        for one in every.routes(visiting.own)
        if one.roles & {"operator", "dpo"} and one.get is not None
    ]


def seen(page: ConsoleRoute, paths: set[str]) -> bool:
    resource = web.UrlDispatcher().add_resource(page.path)
    told = resource.get_info()
    if "pattern" not in told:
        return told["path"] in paths
    return any(told["pattern"].fullmatch(one) for one in paths)


async def as_operator(sinks: Sinks, visiting: Stage) -> None:
    client = await visiting.signed_in("operator")
    paths = ["/console", "/console/log", "/console/duties", "/console/duties?show=late"]
    paths += [f"/console/deliveries?state={one}" for one in ("newest", "pending")]
    paths += ["/console/deliveries", "/console/recipients"]
    paths += [f"/console/recipients/one?id={one}" for one in ("police-ppu", "gp")]
    alerts = visiting.store.reader.execute("SELECT id FROM alert").fetchall()
    paths += [f"/console/deliveries/{one}" for (one,) in alerts]
    assert len(alerts) > 8
    for path in paths:
        sinks.page("operator", path, await client.get(path))
    size = visiting.row("SELECT max(size) FROM log_checkpoint")
    checked = await client.post("/console/log", {"first": "0", "last": str(size - 1)})
    sinks.page("operator", "/console/log", checked)


async def as_officer(sinks: Sinks, visiting: Stage) -> None:
    agencies = tuple(make_posters())
    client = await visiting.signed_in("dpo", agencies=agencies)

    async def get(path: str) -> Answered:
        return sinks.page("dpo", path, await client.get(path))

    async def post(path: str, fields: dict[str, str]) -> Answered:
        return sinks.page("dpo", path, await client.post(path, fields))

    rule = visiting.entries("disclosure")[0]["grants"][0]["rule"]
    for path in (
        "/console", "/console/disclosures", "/console/person", "/console/recipients",
        "/console/recipients/one?id=police-ppu", "/console/rulebook",
        f"/console/rulebook/rule?id={rule}", "/console/rulebook/versions", "/console/approvals",
        "/console/statistics", "/console/log", "/console/auditors", "/console/evidence",
    ):  # fmt: skip
        await get(path)
    await told_and_read(visiting, client, sinks)
    for typed in (NOMS, CRN, NHS_NUMBER):
        found = await post("/console/disclosures", {"person": typed, **WHY})
        assert "formaction=" in found.text
        await post("/console/person", {"person": typed, **WHY})
    for form in EXPORTS[:2]:
        await post("/console/disclosures", {**WHY, "export": form})
    for about in ("looked", "sign-ins"):
        asked = {"about": about, "staff": "dpo-01"}
        await post("/console/auditors", asked)
        await post("/console/auditors", {**asked, "export": "csv"})
    await asked_everything(visiting, client, sinks, rule)
    proposed = await client.post(
        "/console/approvals", {"kind": "erasure", "person": NOMS, "reason": "court-order"}
    )
    assert proposed.status == 303
    sinks.shown["where a proposal leads"] = proposed.to
    await get("/console/approvals")
    await get(f"/console/approvals/{visiting.row('SELECT id FROM approval')}")


async def told_and_read(visiting: Stage, client: Client, sinks: Sinks) -> None:
    """Read every disclosure and its proof, and everybody's timeline."""
    rows = visiting.store.reader.execute(
        'SELECT idx FROM log_entry WHERE instr(body, \'"op":"disclosure"\')'
    ).fetchall()
    assert len(rows) > 8
    for (index,) in rows:
        path = f"/console/disclosures/{index}"
        sinks.page("dpo", path, await client.post(path, WHY))
        sinks.page("dpo", f"{path}/proof", await client.get(f"{path}/proof"))
    for (person,) in visiting.store.reader.execute("SELECT ref FROM person").fetchall():
        shown = await client.post("/console/person", {"person": str(person), **WHY})
        assert str(person) in shown.text
        sinks.page("dpo", "/console/person", shown)


async def asked_everything(visiting: Stage, client: Client, sinks: Sinks, rule: str) -> None:
    """Ask every question, and keep the answers in every form."""
    alert = str(visiting.row("SELECT id FROM alert ORDER BY id LIMIT 1"))
    person = {"person": NOMS, **WHY}
    index = visiting.row(
        "SELECT idx FROM log_entry WHERE instr(body, ?) LIMIT 1", f'"alert":"{alert}"'
    )
    body = visiting.row("SELECT body FROM log_entry WHERE idx = ?", index).decode()
    asked: list[tuple[str, dict[str, str]]] = [
        ("told", {**person, "recipient": "police-ppu"}),
        ("who-knows", person),
        ("subject-access", {**person, "copy": "file"}),
        ("subject-access", {**person, "copy": "person", "decided": "yes"}),
        ("refused", person),
        ("rule", {"rule": rule}),
        ("merge", person),
        ("genuine", {"alert": alert}),
        ("genuine", {"entry": body}),
        ("looked", person),
        ("lapsed", {}),
        ("breach", {"compromised": "endpoint", "subject": "police-ppu/webhook", **SINCE, **FOUND}),
        ("ropa", {}),
        ("agreement", {}),
    ]
    for code, fields in asked:
        path = f"/console/evidence/{code}"
        sinks.page("dpo", path, await client.get(path))
        if fields or code == "lapsed":
            sinks.page("dpo", path, await client.post(path, fields))
        # A PDF is slow to read back, and is the ZIP's own rows.
        printed = code == "genuine" or fields.get("copy") == "person"
        for form in EXPORTS if printed else EXPORTS[:2]:
            sinks.page("dpo", path, await client.post(path, {**fields, "export": form}))
    assert json.loads(body)["alert"] == alert
