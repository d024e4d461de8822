"""The commands strangers use: names, exit codes, and what they never print.

Exit codes: 0 yes, 1 refused or not verified, 2 usage, 3 could not tell.
"""

import base64
import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import apsw
import orjson
import pytest

from gateway import clock
from gateway.demo.messages import released
from gateway.disclosure_log.merkle import leaf_hash, node_hash
from keys import hpke
from keys.signing import SigningKey
from keys.webhook_signature import sign
from tests import canaries
from tests.gateway_in_process import planned_release
from tests.support.quick import command as quick


def throughgate(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [*quick(), *(str(word) for word in words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=cwd, check=False)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kept demonstration: an instance, received alerts and private keys."""
    folder = tmp_path_factory.mktemp("demo") / "kept"
    done = throughgate("demo", "--keep", folder)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "BROKEN" not in done.stdout
    return folder


def test_the_demonstration_keeps_an_instance_and_refuses_to_overwrite_it(kept: Path) -> None:
    assert (kept / "throughgate.toml").is_file()
    again = throughgate("demo", "--keep", kept)
    assert again.returncode == 2
    assert "already holds an instance" in again.stderr


@pytest.mark.parametrize(
    ("received", "key"), [("cmht-1.json", "cmht"), ("police-ppu-1.json", "police-ppu"),
                          ("mappa-1.eml", "mappa")]
)  # fmt: skip
def test_open_tells_hpke_jwe_and_cms_apart(kept: Path, received: str, key: str) -> None:
    done = throughgate(
        "open", kept / "received" / received, "--key", kept / f"private-keys/{key}.key"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["alert"]["recipient"] == key


def test_open_refuses_another_recipients_key_and_prints_no_content(kept: Path) -> None:
    done = throughgate(
        "open", kept / "received/police-ppu-1.json", "--key", kept / "private-keys/in-reach.key"
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("refused: ")


def test_verify_log_reads_a_folder_and_finds_a_changed_entry(kept: Path, tmp_path: Path) -> None:
    assert throughgate("verify", "log", kept, "--key", kept / "log.vkey").returncode == 0
    wal = kept / "throughgate.db-wal"  # who only reads may leave an empty one
    assert not wal.exists() or wal.stat().st_size == 0, "a stopped instance is one file"
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("throughgate.db", "log.vkey"):
        (copy / name).write_bytes((kept / name).read_bytes())
    assert throughgate("verify", "log", copy, "--key", kept / "log.vkey").returncode == 0
    edited = apsw.Connection(str(copy / "throughgate.db"))
    edited.execute(
        "UPDATE log_entry SET body = CAST(replace(CAST(body AS TEXT), 'LB01', 'LB05') AS BLOB)"
        " WHERE idx = (SELECT idx FROM log_entry WHERE CAST(body AS TEXT) LIKE '%LB01%' LIMIT 1)"
    )
    assert edited.changes() == 1
    edited.close()
    assert throughgate("verify", "log", copy, "--key", kept / "log.vkey").returncode == 1
    assert throughgate("verify", "log", tmp_path / "nothing").returncode in {2, 3}
    assert throughgate("verify", "log", "http://127.0.0.1:9/").returncode == 3


def test_log_commands_agree_with_verify(kept: Path, tmp_path: Path) -> None:
    config = ("--config", kept / "throughgate.toml")
    note = throughgate("log", "checkpoint", *config)
    (tmp_path / "note").write_text(note.stdout)
    good = throughgate("verify", "checkpoint", tmp_path / "note", "--key", kept / "log.vkey")
    assert good.returncode == 0
    (tmp_path / "note").write_text(note.stdout.replace("\n", "\n1", 1))
    bad = throughgate("verify", "checkpoint", tmp_path / "note", "--key", kept / "log.vkey")
    assert bad.returncode == 1
    assert throughgate("log", "prove", 3, *config).stdout.startswith(
        "c2sp.org/tlog-proof@v1\nindex 3"
    )
    assert throughgate("log", "prove", 10**6, *config).returncode == 2
    assert throughgate("log", "verify", *config).returncode == 0


def test_verify_inclusion_and_consistency(tmp_path: Path) -> None:
    first, second = leaf_hash(b"a"), leaf_hash(b"b")
    root = node_hash(first, second)

    def text(raw: bytes) -> str:
        return base64.b64encode(raw).decode()

    file = tmp_path / "proof.json"
    inclusion = {"leafIdx": 0, "treeSize": 2, "leafHash": text(first), "root": text(root),
                 "proof": [text(second)]}  # fmt: skip
    file.write_bytes(orjson.dumps(inclusion))
    assert throughgate("verify", "inclusion", file).returncode == 0
    file.write_bytes(orjson.dumps(inclusion | {"leafIdx": 1}))
    assert throughgate("verify", "inclusion", file).returncode == 1
    file.write_bytes(orjson.dumps({"nonsense": 1}))
    assert throughgate("verify", "inclusion", file).returncode == 2
    consistency = {"size1": 1, "size2": 2, "root1": text(first), "root2": text(root),
                   "proof": [text(second)]}  # fmt: skip
    file.write_bytes(orjson.dumps(consistency))
    assert throughgate("verify", "consistency", file).returncode == 0
    file.write_bytes(orjson.dumps(consistency | {"root2": text(first)}))
    assert throughgate("verify", "consistency", file).returncode == 1


def test_verify_event_prints_canonical_events_and_names_faults_by_path(tmp_path: Path) -> None:
    file = tmp_path / "event.json"
    file.write_bytes(orjson.dumps(planned_release()))
    done = throughgate("verify", "event", file)
    assert done.returncode == 0
    assert json.loads(done.stdout)["type"] == "org.throughgate.release.planned.v1"
    hmpps = tmp_path / "released.json"
    hmpps.write_bytes(released(clock.now(), canaries.NOMS, "UAL"))
    done = throughgate("verify", "event", hmpps, "--adapter", "hmpps_domain_events")
    assert json.loads(done.stdout)["type"] == "org.throughgate.custody.escaped.v1"
    bad = planned_release()
    bad["data"]["identity"]["nickname"] = canaries.NAME
    file.write_bytes(orjson.dumps(bad))
    done = throughgate("verify", "event", file, "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["problems"][0]["path"] == "$.data.identity.nickname"
    assert canaries.found_in(done.stdout + done.stderr) == []
    assert throughgate("verify", "event", file, "--adapter", "nonsense").returncode == 2
    assert throughgate("verify", "event", tmp_path / "missing").returncode == 2


def test_verify_webhook_judges_signature_and_age(tmp_path: Path) -> None:
    key = SigningKey.generate()
    body = tmp_path / "body"
    body.write_bytes(b'{"test": 1}')
    headers = tmp_path / "headers.json"
    values = {"Webhook-Id": "msg_1", "webhook-timestamp": "1000",
              "webhook-signature": sign([key], "msg_1", 1000, body.read_bytes())}  # fmt: skip
    headers.write_bytes(orjson.dumps(values))
    words = ("verify", "webhook", body, "--headers", headers, "--public-key", key.public_text)
    assert throughgate(*words, "--now", 1300).returncode == 0
    assert throughgate(*words, "--now", 1301).returncode == 1
    body.write_bytes(b'{"test": 2}')
    assert throughgate(*words, "--now", 1000).returncode == 1
    assert throughgate("verify", "webhook", body, "--headers", headers).returncode == 2


@pytest.fixture
def instance(tmp_path: Path) -> Path:
    done = throughgate("init", tmp_path / "instance", "--name", "throughgate.example/cli")
    assert done.returncode == 0, done.stderr
    assert "agencies add" in done.stdout
    return tmp_path / "instance"


def test_init_makes_closed_files_and_never_overwrites(instance: Path) -> None:
    secrets = list((instance / "keys").iterdir())
    assert len(secrets) >= 5
    private = [path for path in secrets if path.name != "mail-certificate.pem"]
    assert all(path.stat().st_mode & 0o077 == 0 for path in private)
    assert (instance / "throughgate.db").stat().st_mode & 0o077 == 0
    again = throughgate("init", instance)
    assert again.returncode == 2
    assert throughgate("verify", "log", instance, "--key", instance / "log.vkey").returncode == 0


def test_agencies_are_added_once_and_keys_never_shared(instance: Path, tmp_path: Path) -> None:
    config = ("--config", instance / "throughgate.toml")
    add = ("agencies", "add")
    new = ("--new-key", tmp_path / "a.key")
    assert (
        throughgate(*add, "hmp-a", "--urn", "urn:a", "--class", "prison", *new, *config).returncode
        == 0
    )
    assert (tmp_path / "a.key").stat().st_mode & 0o077 == 0
    assert throughgate(*add, "hmp-a", "--urn", "urn:b", "--new-key", tmp_path / "b.key",
                       *config).returncode == 2  # fmt: skip
    assert not (tmp_path / "b.key").exists()
    public = SigningKey.parse((tmp_path / "a.key").read_text().strip()).public_text
    (tmp_path / "a.pub").write_text(public)
    shared = throughgate(
        *add, "hmp-c", "--urn", "urn:c", "--public-key", tmp_path / "a.pub", *config
    )
    assert shared.returncode == 2
    (tmp_path / "bad.pub").write_text("whpk_nonsense")
    bad = throughgate(
        *add, "hmp-d", "--urn", "urn:d", "--public-key", tmp_path / "bad.pub", *config
    )
    assert bad.returncode == 2
    assert throughgate(*add, "hmp-e", "--urn", "urn:e", *config).returncode == 2


def test_recipients_are_imported_from_toml_and_csv_whole_or_not_at_all(
    instance: Path, tmp_path: Path
) -> None:
    config = ("--config", instance / "throughgate.toml")
    _, public = hpke.generate()
    good = f"""\
[[recipient]]
id = "ppu"
organisation = "Exampleshire Police"
organisation_class = "police"
role = "police_offender_manager"
areas = ["exampleshire"]
[[recipient.endpoint]]
channel = "webhook"
address = "https://ppu.exampleshire.example.org/hook"
key = "{public}"
[[recipient.endpoint]]
channel = "sms"
address = "07700 900123"
"""
    file = tmp_path / "recipients.toml"
    file.write_text(good)
    done = throughgate("recipients", "import", file, *config)
    assert (done.returncode, done.stdout) == (0, "ppu: police_offender_manager by webhook, sms\n")
    table = tmp_path / "recipients.csv"
    table.write_text(
        "id,organisation,organisation_class,role,areas,channel,address\n"
        "gp,Example Street Surgery,gp_practice,gp_practice,,email,gp@surgery.example.org\n"
    )
    assert throughgate("recipients", "import", table, *config).returncode == 0
    file.write_text(good.replace('areas = ["exampleshire"]', 'manager = "superintendent"'))
    unmanaged = throughgate("recipients", "import", file, *config)
    assert unmanaged.returncode == 2
    assert "ppu: manager: no recipient has that id" in unmanaged.stderr
    file.write_text(good.replace('areas = ["exampleshire"]', 'manager = "gp"'))
    assert throughgate("recipients", "import", file, *config).returncode == 0
    file.write_text(good.replace("police_offender_manager", "nobody").replace("https", "ftp"))
    bad = throughgate("recipients", "import", file, *config)
    assert bad.returncode == 2
    assert "nothing was imported" in bad.stderr
    assert "role: not one of" in bad.stderr


@pytest.fixture
def served(instance: Path, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The instance served by its own process with two workers; yields its address and key."""
    config = instance / "throughgate.toml"
    port = _free_port()
    config.write_text(config.read_text().replace("port = 8080", f"port = {port}"))
    done = throughgate("agencies", "add", "hmp-exampleton", "--urn", "urn:example:hmp-exampleton",
                       "--class", "prison", "--new-key", tmp_path / "hmp.key",
                       "--config", config)  # fmt: skip
    assert done.returncode == 0, done.stderr
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "serve", "--config", str(config), "--workers", "2"],
        stderr=subprocess.PIPE,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_ready(url)
        yield url, tmp_path / "hmp.key"
    finally:
        process.send_signal(signal.SIGTERM)
        _, logged = process.communicate(timeout=30)
    assert process.returncode == 0
    assert canaries.found_in(logged.decode()) == []


def test_two_workers_accept_posts_into_one_log(
    served: tuple[str, Path], instance: Path, tmp_path: Path
) -> None:
    url, key = served
    files = []
    for number in range(6):
        files.append(tmp_path / f"event-{number}.json")
        files[-1].write_bytes(orjson.dumps(planned_release(f"evt-{number}")))
    post = ("post", *files, "--as", "hmp-exampleton", "--key", key, "--url", url)
    done = throughgate(*post)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(": 202 ") == 6
    assert throughgate(*post).stdout == done.stdout  # the same answers again
    files[0].write_bytes(orjson.dumps(planned_release("evt-0", subject="changed")))
    assert throughgate(*post).returncode == 1
    by_url = throughgate("verify", "log", url, "--key", instance / "log.vkey")
    assert by_url.returncode == 0, by_url.stdout + by_url.stderr
    by_folder = throughgate("verify", "log", instance, "--key", instance / "log.vkey")
    assert by_folder.returncode == 0, by_folder.stdout


def test_a_second_gateway_on_the_instance_refuses_to_start(
    served: tuple[str, Path], instance: Path
) -> None:
    second = throughgate("serve", "--config", instance / "throughgate.toml")
    assert second.returncode == 2
    assert "already serves this instance" in second.stderr


def test_post_says_when_the_gateway_cannot_be_reached(instance: Path, tmp_path: Path) -> None:
    key = SigningKey.generate()
    (tmp_path / "k").write_text(key.secret_text)
    (tmp_path / "e.json").write_bytes(orjson.dumps(planned_release()))
    done = throughgate("post", tmp_path / "e.json", "--as", "x", "--key", tmp_path / "k",
                       "--url", "http://127.0.0.1:9")  # fmt: skip
    assert done.returncode == 3


def test_unknown_configuration_keys_and_missing_files_are_usage_errors(
    instance: Path, tmp_path: Path
) -> None:
    config = instance / "throughgate.toml"
    config.write_text(config.read_text() + "\n[http2]\nx = 1\n")
    done = throughgate("log", "checkpoint", "--config", config)
    assert done.returncode == 2
    assert "http2" in done.stderr
    assert throughgate("serve", "--config", tmp_path / "none.toml").returncode == 2
    assert throughgate("no-such-command").returncode == 2


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_ready(url: str) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/health/ready", timeout=1) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.05)
    pytest.fail("the gateway did not become ready")
