"""`throughgate deliveries list|show|retry|recover`."""

import asyncio
import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.cli.deliveries_commands import deliveries
from gateway.instance import create, load_keys
from gateway.store import outbox
from gateway.store.outbox import State
from gateway.store.store import Store
from tests.store.owing import MINUTE, Way, attempted, due, owe
from tests.store.stores import NOW

MAIL = Way(endpoint="police/email", channel="email", form="notice")
SECOND = Way(endpoint="police/sms", channel="sms", form="pointer", step=2)


@dataclass(frozen=True, slots=True)
class Instance:
    folder: Path

    def run(self, *words: str) -> Result:
        config = ["--config", str(self.folder / "throughgate.toml")]
        return CliRunner().invoke(deliveries, [*words, *config])

    def read(self, *words: str) -> list[dict[str, object]]:
        done = self.run(*words, "--json")
        assert done.exit_code == 0, done.output
        found: list[dict[str, object]] = json.loads(done.stdout)
        return found


async def _prepare(folder: Path) -> None:
    """Leave behind: one way rejected and another waiting no more, one dead, one accepted."""
    config = await create(folder, name="throughgate.example/deliveries", sections="")
    keys = load_keys(config)
    store = await Store.open(
        config.path(config.instance.database),
        key_encryption_key=keys.key_encryption_key,
        log_key=keys.log_key,
        on_fatal=lambda _code: os._exit(70),
    )
    try:
        ends: dict[str, State] = {"alt_bad": "rejected", "alt_old": "dead", "alt_good": "accepted"}
        for number, alert in enumerate(ends):
            ways = (MAIL, SECOND) if alert == "alt_bad" else (MAIL,)
            await owe(store, number, alert, *ways, minute=number)
        for row in due(store, endpoint="police/email"):
            state = ends[row.alert]
            reason = "" if state == "accepted" else "smtp-550"
            made = attempted(row, state, at=NOW + 10 * MINUTE, reason=reason)
            await store.commit(outbox.record(made))
    finally:
        await store.close()


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    folder = tmp_path / "home"
    asyncio.run(_prepare(folder))
    return Instance(folder)


def test_deliveries_are_listed(instance: Instance) -> None:
    found = instance.read("list")
    assert [(one["alert"], one["endpoint"], one["state"]) for one in found] == [
        ("alt_good", "police/email", "accepted"),
        ("alt_old", "police/email", "dead"),
        ("alt_bad", "police/email", "rejected"),
        ("alt_bad", "police/sms", "pending"),
    ]
    assert [one["alert"] for one in instance.read("list", "--state", "dead")] == ["alt_old"]
    shown = instance.run("list", "--state", "rejected")
    assert shown.exit_code == 0
    assert "alt_bad" in shown.stdout
    assert "smtp-550" in shown.stdout
    assert "No deliveries." in instance.run("list", "--endpoint", "none/email").stdout


def test_one_alert_is_shown_with_its_story(instance: Instance) -> None:
    done = instance.run("show", "alt_bad", "--json")
    told = json.loads(done.stdout)
    assert [(one["endpoint"], one["reason"]) for one in told["ways"]] == [
        ("police/email", "smtp-550"),
        ("police/sms", ""),
    ]
    assert [one["op"] for one in told["log"]] == ["escalation"]
    assert "to=police/sms" in instance.run("show", "alt_bad").stdout


def test_no_such_alert_is_a_no(instance: Instance) -> None:
    for words in (("show", "alt_none"), ("retry", "alt_none", "--by", "operator-7")):
        done = instance.run(*words)
        assert (done.exit_code, done.stdout) == (1, "")


def test_a_failed_delivery_is_retried_once(instance: Instance) -> None:
    words = ("retry", "alt_bad", "--by", "operator-7")
    done = instance.run(*words)
    assert (done.exit_code, done.stdout.strip()) == (0, "1 delivery goes again.")
    assert instance.run(*words).exit_code == 1
    (again,) = [one for one in instance.read("list", "--endpoint", "police/email")
                if one["alert"] == "alt_bad"]  # fmt: skip
    assert (again["state"], again["attempts"], again["link_issue"]) == ("pending", 1, 1)
    log = json.loads(instance.run("show", "alt_bad", "--json").stdout)["log"]
    assert (log[-1]["outcome"], log[-1]["by"]) == ("retried", "operator-7")


def test_everything_failed_since_a_time_is_recovered_and_repeating_it_changes_nothing(
    instance: Instance,
) -> None:
    since = ("--since", (NOW + 5 * MINUTE).isoformat(), "--by", "operator-7")
    too_late = ("--since", (NOW + 15 * MINUTE).isoformat(), "--by", "operator-7")
    for words, count in ((too_late, 0), (since, 2), (since, 0)):
        done = instance.run("recover", *words, "--json")
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout) == {"retried": count}
    assert instance.run("recover", *since).stdout.strip() == "0 deliveries go again."


@pytest.mark.parametrize(
    "words",
    [
        ("list", "--state", "lost"),
        ("list", "--since", "yesterday"),
        ("list", "--since", "2026-03-02T09:30"),
        ("retry", "alt_bad", "--by", "J. Testcase, duty officer"),
        ("recover", "--since", "x", "--by", "operator-7"),
        ("recover", "--by", "operator-7"),
    ],
    ids=["state", "since", "zoneless", "by", "recover-since", "recover-always"],
)
def test_what_makes_no_sense_is_a_usage_error(instance: Instance, words: tuple[str, ...]) -> None:
    done = instance.run(*words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Testcase" not in done.stderr
