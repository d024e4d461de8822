"""An instance and its witnesses: over the configured loop, and where only a stick goes between."""

import asyncio
import contextlib
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway import clock
from gateway.cli.witness_commands import witness as group
from gateway.config import BadConfig, Config
from gateway.disclosure_log.checkpoint import LogKey, VerifierKey, parse_checkpoint
from gateway.disclosure_log.trust_policy import TrustPolicy
from gateway.instance import CONFIG_NAME, VKEY_NAME, create, load_keys
from gateway.store import sqlite, witnessed
from gateway.store.store import Store
from gateway.witness.witness import Witness
from gateway.witness.witness import load_keys as witness_keys
from gateway.witnessing import witnessing_of
from tests.store.stores import body, logging
from tests.witness.stage import now, policy_text, serving

SECTION = '\n[witness]\npolicy = "policy.txt"\nevery_s = 0.02\n'


async def instance(folder: Path) -> Config:
    return await create(folder, name="throughgate.example/offline", sections=SECTION)


def witness_of(config: Config, folder: Path) -> Path:
    said("init", folder, "--name", f"witness.example/{folder.name}")
    said("add-log", folder, config.home / VKEY_NAME)
    return folder


def said(*words: str | Path) -> Result:
    return CliRunner().invoke(group, [str(word) for word in words])


@contextlib.asynccontextmanager
async def store_of(config: Config):  # type: ignore[no-untyped-def] # noqa: ANN201
    keys = load_keys(config)
    [key] = keys.log_key.load()
    store = await Store.open(
        config.path(config.instance.database),
        key_encryption_key=keys.key_encryption_key,
        log_key=keys.log_key,
        on_fatal=lambda _code: None,
    )
    try:
        yield store, key
    finally:
        await store.close()


async def test_the_loop_as_configured_has_the_log_witnessed_while_it_grows(tmp_path: Path) -> None:
    config = await instance(tmp_path / "instance")
    folder = witness_of(config, tmp_path / "w")
    assert config.witness is not None
    async with (
        serving(folder) as url,
        store_of(config) as (store, key),
        contextlib.AsyncExitStack() as stack,
    ):
        policy = policy_text([(url, folder)], threshold="all")
        config.path(config.witness.policy).write_text(policy)
        it = witnessing_of(
            config,
            config.witness,
            store=store,
            log_keys=lambda: [key.verifier_key],
            now=clock.now,
            report=lambda code, subject: pytest.fail(f"{code} {subject}"),
            closing=stack,
        )
        running = asyncio.create_task(it.run())
        for _ in range(3):
            await store.commit(logging(body()))
            size = parse_checkpoint(store.latest_checkpoint() or "").size
            async with asyncio.timeout(20):
                while (witnessed.newest(store.reader) or (0,))[0] != size:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        running.cancel()
        note = (witnessed.newest(store.reader) or (0, ""))[1]
        assert TrustPolicy.parse(policy).satisfied(note, log_keys=[key.verifier_key])


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        (None, "cannot read"),
        ("nonsense\n", "keyword, line 1"),
        ("quorum none\n", "no-witness"),
        ("plain http", "url-scheme"),
    ],
    ids=["missing", "nonsense", "none", "plain-http"],
)
async def test_a_policy_that_cannot_be_used_is_refused_by_name(
    tmp_path: Path, policy: str | None, reason: str
) -> None:
    config = await instance(tmp_path / "instance")
    assert config.witness is not None
    if policy == "plain http":
        folder = witness_of(config, tmp_path / "w")
        policy = policy_text([("http://witness.example", folder)], threshold=1)
    if policy is not None:
        config.path(config.witness.policy).write_text(policy)
    async with store_of(config) as (store, key), contextlib.AsyncExitStack() as stack:
        with pytest.raises(BadConfig, match=reason):
            witnessing_of(
                config,
                config.witness,
                store=store,
                log_keys=lambda: [key.verifier_key],
                now=clock.now,
                report=lambda _code, _subject: None,
                closing=stack,
            )


def test_by_stick_from_the_gateway_to_two_witnesses_and_back(tmp_path: Path) -> None:
    config = asyncio.run(instance(tmp_path / "instance"))
    folders = [witness_of(config, tmp_path / name) for name in ("w1", "w2")]
    assert config.witness is not None
    listed = [("https://unreached.example", folder) for folder in folders]
    config.path(config.witness.policy).write_text(policy_text(listed, threshold="all"))
    where = ("--config", config.home / CONFIG_NAME)
    stick = tmp_path / "stick"
    stick.mkdir()
    asked = said("request", *where)
    assert asked.exit_code == 0
    (stick / "asked").write_text(asked.stdout)
    for folder in folders:
        answer = said("cosign", folder, stick / "asked")
        assert answer.exit_code == 0
        (stick / folder.name).write_text(answer.stdout)
    alone = said("accept", stick / "w1", *where)
    assert (alone.exit_code, "too few" in alone.output) == (1, True)
    both = said("accept", stick / "w1", stick / "w2", *where)
    assert (both.exit_code, both.stdout[:18]) == (0, "accepted: 1 entrie")
    vkey = VerifierKey.parse((config.home / VKEY_NAME).read_text())
    with closing(sqlite.open_reader(config.path(config.instance.database))) as reader:
        size, note = witnessed.newest(reader) or (0, "")
    policy = TrustPolicy.parse(config.path(config.witness.policy).read_bytes())
    assert size == 1
    assert policy.satisfied(note, log_keys=[vkey])


def test_what_this_log_never_signed_is_not_accepted_from_a_stick(tmp_path: Path) -> None:
    config = asyncio.run(instance(tmp_path / "instance"))
    folder = witness_of(config, tmp_path / "w")
    assert config.witness is not None
    policy = policy_text([("https://unreached.example", folder)], threshold=1)
    config.path(config.witness.policy).write_text(policy)
    where = ("--config", config.home / CONFIG_NAME)
    key = LogKey.parse_secret((config.home / "keys" / "log-key").read_text())
    text = f"{key.origin}\n9\n{'A' * 43}=\n"
    cosigned = key.sign(text) + "".join(one.cosign(text, at=1) for one in witness_keys(folder))
    (tmp_path / "never").write_text(cosigned)
    (tmp_path / "none").write_text("no checkpoint")
    refused = said("accept", tmp_path / "never", *where)
    assert (refused.exit_code, "never signed" in refused.output) == (1, True)
    assert said("accept", tmp_path / "none", *where).exit_code == 2
    ahead = said("request", "--old", "5", *where)
    assert (ahead.exit_code, "data protection officer" in ahead.output) == (1, True)
    with closing(Witness.open(folder, now)) as witness:
        assert witness.state.latest(key.origin) is None
