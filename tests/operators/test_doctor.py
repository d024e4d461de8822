"""`throughgate doctor`: finds what is wrong, says what to do, and names nobody."""

import contextlib
import datetime as dt
import json
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import apsw
import pytest
import trustme

from gateway import clock
from gateway.cli.doctor import doctor, verdict_of
from gateway.doctor import Finding, examine
from gateway.doctor.configuration import line_of
from gateway.doctor.versions import drifted
from gateway.instance import CONFIG_NAME, create
from gateway.registration import register_recipients
from tests import canaries
from tests.gateway_in_process import gateway, planned_release, police

NAME = "throughgate.example/doctor"


@contextlib.asynccontextmanager
async def made(folder: Path, sections: str = "") -> AsyncIterator[Path]:
    """Make an instance with one recipient, and yield its configuration."""
    config = await create(folder, name=NAME, sections=sections)
    recipient, _ = police()
    await register_recipients(config, [recipient])
    yield folder / CONFIG_NAME


def found(file: Path, **how: bool | str) -> dict[str, Finding]:
    return {one.check: one for one in examine(file, clock.now(), **how)}  # type: ignore[arg-type]


def worst(file: Path) -> set[str]:
    return {one.check for one in examine(file, clock.now()) if one.verdict == "error"}


async def test_a_fresh_instance_has_nothing_wrong(tmp_path: Path) -> None:
    async with made(tmp_path / "i") as file:
        findings = found(file, full=True)
        assert {one.verdict for one in findings.values()} <= {"ok", "warning"}
        assert doctor(file, url=None, network=False, full=False, every=True, as_json=False) == 0
    assert len(findings) > 25
    assert all(one.do for one in findings.values() if one.verdict != "ok")


async def test_beside_a_serving_gateway_its_clock_is_compared(tmp_path: Path) -> None:
    import asyncio

    recipient, _ = police()
    async with gateway(tmp_path / "i", recipients=[recipient]) as served:
        await served.post(planned_release())
        file = served.folder / CONFIG_NAME
        at = clock.now()
        right = await asyncio.to_thread(lambda: list(examine(file, at, url=served.url)))
        ahead = at + dt.timedelta(minutes=10)
        wrong = await asyncio.to_thread(lambda: list(examine(file, ahead, url=served.url)))
        behind = at - dt.timedelta(hours=1)
        past = await asyncio.to_thread(lambda: list(examine(file, behind)))
    assert {one.check: one.verdict for one in right}["clock.served"] == "ok"
    assert {one.check: one.verdict for one in wrong}["clock.served"] == "error"
    assert {one.check: one.verdict for one in past}["clock.past"] == "error"
    said = json.dumps([(one.text, one.do) for one in (*right, *wrong, *past)])
    assert canaries.found_in(said) == []
    assert "198.51.100" not in said


async def test_a_gateway_that_is_not_there_is_no_verdict(tmp_path: Path) -> None:
    async with made(tmp_path / "i") as file:
        assert found(file, url="http://127.0.0.1:9")["clock.served"].verdict == "could not tell"
        assert found(file, url="127.0.0.1")["clock.served"].verdict == "could not tell"


def test_the_exit_code_is_the_worst_finding() -> None:
    def of(*verdicts: str) -> int:
        return verdict_of([Finding(check="x", verdict=one, text="") for one in verdicts])  # type: ignore[arg-type]

    assert of("ok", "warning") == 0
    assert of("ok", "error", "could not tell") == 1
    assert of("warning", "could not tell") == 3


@pytest.mark.parametrize(
    ("tail", "said"),
    [
        ("[delivery]\nladder = [1]\n", "delivery.ladder, line {}: there is no such key"),
        ("[http]\nport = 70000\n", "http.port, line {}:"),
        ("[http\n", "not TOML, line"),
        ('[[feed]]\nname = "a"\nagency = "b"\nkind = "folder"\npath = "p"\nevry_s = 2\n',
         "feed.0.evry_s, line {}: there is no such key"),
    ],
    ids=["unknown", "range", "toml", "feed"],
)  # fmt: skip
async def test_a_wrong_key_is_named_with_its_line(
    tmp_path: Path, tail: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with made(tmp_path / "i") as file:
        text = file.read_text() + tail
        file.write_text(text)
        [only] = found(file).values()
        assert only.verdict == "error"
        assert said.format(len(text.splitlines())) in only.text
        assert doctor(file, url=None, network=False, full=False, every=False, as_json=True) == 1
    assert json.loads(capsys.readouterr().out)[0]["check"] == "configuration.file"


def test_no_configuration_at_all(tmp_path: Path) -> None:
    [only] = found(tmp_path / "none.toml").values()
    assert (only.check, only.verdict) == ("configuration.file", "error")


def test_a_line_is_found_in_tables_and_arrays_of_them() -> None:
    text = "[a]\nb = 1\n[a.c]\nd = 2\n[[e]]\nf = 1\n[[e]]\nf = 2\n"
    assert line_of(text, ["a", "b"]) == 2
    assert line_of(text, ["a", "c", "d"]) == 4
    assert line_of(text, ["e", 1, "f"]) == 8
    assert line_of(text, ["e", 1, "missing"]) == 7
    assert line_of(text, ["z"]) is None


def opened_to_others(folder: Path) -> None:
    (folder / "keys/log-key").chmod(0o644)


def key_gone(folder: Path) -> None:
    (folder / "keys/signing-key").unlink()


def other_kek(folder: Path) -> None:
    key = folder / "keys/key-encryption-key"
    key.unlink()
    from keys.providers.file import create as fresh

    fresh(key)


def other_vkey(folder: Path) -> None:
    from gateway.disclosure_log.checkpoint import LogKey

    (folder / "log.vkey").write_text(LogKey.generate(NAME).verifier + "\n")


def with_log(folder: Path, sql: str) -> None:
    with closing(apsw.Connection(str(folder / "throughgate.db"))) as connection:
        connection.execute(sql)


def edited(folder: Path) -> None:
    with_log(folder, "UPDATE log_entry SET body = CAST('{}' AS BLOB) WHERE idx = 1")


def cut(folder: Path) -> None:
    with_log(folder, "DELETE FROM log_entry WHERE idx = 0")


def rehashed(folder: Path) -> None:
    with_log(folder, "UPDATE log_entry SET leaf = zeroblob(32) WHERE idx = 1")


def no_database(folder: Path) -> None:
    (folder / "throughgate.db").unlink()


def no_certificate(folder: Path) -> None:
    (folder / "keys/mail-certificate.pem").write_text("none")


@pytest.mark.parametrize(
    ("harm", "check"),
    [
        (opened_to_others, "permissions.secret"),
        (opened_to_others, "keys.load"),
        (key_gone, "keys.load"),
        (other_kek, "keys.database"),
        (other_vkey, "keys.vkey"),
        (other_vkey, "log.head"),
        (edited, "log.entries"),
        (rehashed, "log.tree"),
        (cut, "log.tree"),
        (no_certificate, "tls.mail"),
    ],
    ids=lambda one: one if isinstance(one, str) else one.__name__,
)
async def test_each_harm_is_found(tmp_path: Path, harm: Callable[[Path], None], check: str) -> None:
    async with made(tmp_path / "i") as file:
        assert worst(file) == set()
        harm(tmp_path / "i")
        assert check in worst(file)


async def test_without_a_database_the_rest_is_still_examined(tmp_path: Path) -> None:
    async with made(tmp_path / "i") as file:
        no_database(tmp_path / "i")
        findings = found(file)
    assert findings["log"].verdict == "could not tell"
    assert findings["law.rulebook"].verdict == "ok"
    assert findings["keys.log-key"].verdict == "ok"


async def test_a_whole_log_is_checked_when_asked(tmp_path: Path) -> None:
    async with made(tmp_path / "i") as file:
        edited(tmp_path / "i")
        assert "log.full" not in found(file)
        assert found(file, full=True)["log.full"].verdict == "error"


async def test_certificates_that_end_or_name_another_are_found(tmp_path: Path) -> None:
    authority = trustme.CA()
    for name, host, days in (("short", "gateway.example", 10), ("other", "elsewhere.example", 90)):
        ends = clock.now() + dt.timedelta(days=days)
        issued = authority.issue_cert(host, not_after=ends)
        issued.cert_chain_pems[0].write_to_path(tmp_path / f"{name}.pem")
        issued.private_key_pem.write_to_path(tmp_path / f"{name}.key")
        (tmp_path / f"{name}.key").chmod(0o600)
    section = (
        'public_url = "https://gateway.example"\n[http]\n'
        'tls_certificate = "../{0}.pem"\ntls_key = "../{1}.key"\n'
    )
    async with made(tmp_path / "a", section.format("short", "short")) as file:
        findings = found(file)
        assert findings["tls.http"].verdict == "warning"
        assert findings["tls.name"].verdict == "ok"
        assert findings["tls.serving"].verdict == "ok"
    async with made(tmp_path / "b", section.format("other", "short")) as file:
        findings = found(file)
        assert findings["tls.name"].verdict == "error"
        assert findings["tls.serving"].verdict == "error"


async def test_what_is_owed_for_too_long_is_said(tmp_path: Path) -> None:
    recipient, _ = police()
    async with gateway(tmp_path / "i", recipients=[recipient]) as served:
        await served.post(planned_release())
        file = served.folder / CONFIG_NAME
    with_log(
        tmp_path / "i",
        "UPDATE event SET state = 'accepted';"
        " INSERT OR REPLACE INTO incident VALUES ('dead-letter police-ppu', 1, 1, 1, 1, 1, NULL)",
    )
    late = clock.now() + dt.timedelta(minutes=10)
    findings = {one.check: one for one in examine(file, late)}
    assert findings["work.undecided-oldest"].verdict == "error"
    assert findings["work.incidents"].verdict == "warning"
    assert "dead-letter (1)" in findings["work.incidents"].text
    assert findings["work.serving"].verdict == "warning"


async def test_extras_that_the_configuration_needs_are_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gateway.doctor import versions

    section = '[telemetry]\notlp_endpoint = "https://collector.example/v1/traces"\n'
    async with made(tmp_path / "i", section) as file:
        assert found(file)["versions.extra-otel"].verdict == "ok"
        monkeypatch.setattr(versions, "find_spec", lambda _name: None)
        assert found(file)["versions.extra-otel"].verdict == "error"
        assert "versions.extra-kms" not in found(file)


def test_packages_outside_their_bounds_are_named() -> None:
    stated = ["cryptography>=1,<2", "aiohttp>=3", "joserfc>=99; extra == 'gateway'",
              "not-installed-here>=1", "pytest>=99; extra == 'dev'"]  # fmt: skip
    assert sorted(drifted(stated)) == ["cryptography", "joserfc"]


async def test_relays_are_asked_only_when_told_to(tmp_path: Path) -> None:
    section = (
        '[email]\nhost = "127.0.0.1"\nport = 9\nsender = "alerts@gateway.example"\n'
        'hostname = "gateway.example"\n'
    )
    async with made(tmp_path / "i", section) as file:
        assert found(file)["outbound.email"].verdict == "ok"
        asked = found(file, network=True)
    assert asked["outbound.email-default"].verdict == "could not tell"
