"""The recipient kit and the two `verify` commands of sealing, as processes of their own."""

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from gateway.cli import light
from gateway.cli.verify_sealing_commands import add_to
from keys import hpke, jwe
from keys.seal import recipient_key, seal
from keys.signing import SigningKey
from keys.webhook_signature import sign
from tests.keys.authority import ADDRESS, pem_of, root
from tests.keys.material import (
    CONTEXT,
    FORMS,
    NOW,
    PLAINTEXT,
    identity,
    mail_signer,
    pair,
    signer_identity,
)

# Refuses every module that is neither ours, nor of the standard library, nor of the two base
# dependencies and what those two stand on.
ISOLATED = """
import sys
ALLOWED = {"gateway", "keys", "cryptography", "joserfc", "cffi", "_cffi_backend", "pycparser"}
class OnlyTheKit:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in ALLOWED and top not in sys.stdlib_module_names:
            raise ModuleNotFoundError(f"not in the kit: {name}", name=name)
sys.meta_path.insert(0, OnlyTheKit())
from gateway.cli import main
sys.argv[0] = "throughgate"
main()
"""


def kit(*words: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path[:0] = [{str(ROOT)!r}]\n{ISOLATED}",
         *map(str, words)],
        capture_output=True,
        check=False,
        cwd="/",
    )  # fmt: skip


ROOT = Path(__file__).resolve().parents[2]


def sealed(form: str, cipher: str = "gcm", plaintext: bytes = PLAINTEXT) -> bytes:
    return seal(
        plaintext,
        pair(form)[0],
        context=CONTEXT,
        now=NOW,
        mail_signer=mail_signer(),
        cipher=cipher,  # type: ignore[arg-type]
    )


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for form in FORMS:
        (tmp_path / f"{form}.key").write_bytes(pair(form)[1])
        (tmp_path / form).write_bytes(sealed(form))
    (tmp_path / "cbc").write_bytes(sealed("cms-rsa", "cbc"))
    return tmp_path


@pytest.mark.parametrize("form", FORMS)
def test_the_kit_opens_every_form_with_nothing_else_installed(form: str, files: Path) -> None:
    done = kit("open", files / form, "--key", files / f"{form}.key")
    assert (done.returncode, done.stdout) == (0, PLAINTEXT), done.stderr


def test_the_kit_writes_the_form_asked_for(files: Path) -> None:
    made = {"form": "visor:xml", "body": base64.b64encode(b"<a/>").decode()}
    alert = json.dumps({"alert": {"renditions": [made]}}).encode()
    (files / "with").write_bytes(sealed("hpke", plaintext=alert))
    command = ("open", files / "with", "--key", files / "hpke.key", "--form")
    assert kit(*command, "visor:xml").stdout == b"<a/>"
    assert kit(*command, "-").stdout == b"<a/>"
    other = kit(*command, "pdf")
    assert (other.returncode, other.stdout) == (1, b"")
    assert b"visor:xml" in other.stderr


def test_the_kit_refuses_the_wrong_key_and_a_file_that_is_not_there(files: Path) -> None:
    wrong = kit("open", files / "hpke", "--key", files / "jwe-p256.key")
    assert (wrong.returncode, wrong.stdout) == (1, b"")
    assert wrong.stderr.startswith(b"refused: ")
    absent = kit("open", files / "nothing", "--key", files / "hpke.key")
    assert (absent.returncode, absent.stdout) == (2, b"")
    assert b"nothing: No such file" in absent.stderr
    assert kit("open").returncode == 2


def test_the_kit_opens_cbc_only_when_told_to(files: Path) -> None:
    command = ("open", files / "cbc", "--key", files / "cms-rsa.key")
    assert kit(*command).returncode == 1
    assert kit(*command, "--accept-cbc").stdout == PLAINTEXT


def test_the_kit_opens_only_mail_signed_as_asked(files: Path) -> None:
    (files / "gateway.pem").write_text(signer_identity().certificate)
    (files / "other.pem").write_text(identity("p256").certificate)
    command = ("open", files / "cms-p256", "--key", files / "cms-p256.key", "--signed-by")
    assert kit(*command, files / "gateway.pem").stdout == PLAINTEXT
    other = kit(*command, files / "other.pem")
    assert (other.returncode, other.stdout) == (1, b"")
    assert b"not signed under that certificate" in other.stderr
    unsigned = ("open", files / "hpke", "--key", files / "hpke.key", "--signed-by")
    assert kit(*unsigned, files / "gateway.pem").returncode == 1


def test_the_kit_checks_a_webhook(tmp_path: Path) -> None:
    key = SigningKey.generate()
    (tmp_path / "body").write_bytes(b"{}")
    headers = {
        "webhook-id": "alt_1",
        "webhook-timestamp": "1000",
        "webhook-signature": sign([key], "alt_1", 1000, b"{}"),
    }
    (tmp_path / "headers").write_text(json.dumps(headers))
    command = ("verify", "webhook", tmp_path / "body", "--headers", tmp_path / "headers")
    ours = (*command, "--public-key", key.public_text)
    assert kit(*ours, "--now", 1000).returncode == 0
    late = kit(*ours, "--now", 9999)
    assert (late.returncode, late.stdout) == (1, b"not verified: stale\n")
    assert kit(*command).returncode == 2
    (tmp_path / "headers").write_text("[]")
    assert kit(*ours).returncode == 2


def test_the_kit_says_what_it_cannot_do() -> None:
    done = kit("serve")
    assert done.returncode == 2
    assert b"throughgate[gateway]" in done.stderr
    assert b"Traceback" not in done.stderr


def test_what_the_kit_imports_is_little(files: Path) -> None:
    code = (
        "import json, sys; from gateway.cli import light\n"
        f"light.run(['open', {str(files / 'hpke')!r}, '--key', {str(files / 'hpke.key')!r}])\n"
        "print(json.dumps([name.partition('.')[0] for name in sys.modules]), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, cwd=ROOT, text=True
    )
    loaded = set(json.loads(done.stderr))
    assert {"keys", "cryptography", "joserfc"} <= loaded
    heavy = {"typer", "rich", "orjson", "structlog", "aiohttp", "pydantic", "apsw", "asn1crypto"}
    assert heavy.isdisjoint(loaded)


def test_an_ordinary_command_is_not_the_kits() -> None:
    for words in ([], ["--help"], ["serve"], ["verify"], ["verify", "log", "x"], ["open-it"]):
        assert not light.takes(words)
    assert light.takes(["open", "x"])
    assert light.takes(["verify", "envelope"])


# --- verify envelope ---


@pytest.mark.parametrize("form", FORMS)
def test_an_envelope_within_the_profile(form: str, files: Path) -> None:
    done = kit("verify", "envelope", files / form)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(form.partition("-")[0].encode())
    said = json.loads(kit("verify", "envelope", files / form, "--json").stdout)
    assert (said["in_profile"], said["faults"]) == (True, [])


def test_an_envelope_outside_it(files: Path) -> None:
    done = kit("verify", "envelope", files / "cbc")
    assert done.returncode == 1
    assert b"refused: cbc: " in done.stdout
    said = json.loads(kit("verify", "envelope", files / "cbc", "--json").stdout)
    assert said["algorithms"]["cipher"] == "AES-256-CBC"
    assert [one["code"] for one in said["faults"]] == ["cbc"]
    assert kit("verify", "envelope", files / "nothing").returncode == 2


# --- verify certificate ---

APP = typer.Typer()
GROUP = typer.Typer()
APP.add_typer(GROUP, name="verify")
add_to(GROUP)
CA = root()
LEAF = CA.issue(urls=True)
AT = ("--at", NOW.isoformat())


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    (tmp_path / "chain.pem").write_text(pem_of(LEAF))
    (tmp_path / "ca.pem").write_text(CA.pem)
    (tmp_path / "fresh.crl").write_bytes(CA.crl())
    (tmp_path / "revoked.crl").write_bytes(CA.crl(LEAF))
    (tmp_path / "good.ocsp").write_bytes(CA.answer(LEAF))
    return tmp_path


def certified(folder: Path, *words: str, address: str = ADDRESS) -> tuple[int, str]:
    places = (str(folder / "chain.pem"), "--anchors", str(folder / "ca.pem"))
    done = CliRunner().invoke(APP, ["verify", "certificate", *places, "--address", address, *words])
    return done.exit_code, done.output


def test_a_certificate_with_a_source_in_hand_is_vouched_for(chain: Path) -> None:
    for source in (("--crl", str(chain / "fresh.crl")), ("--ocsp", str(chain / "good.ocsp"))):
        code, said = certified(chain, *AT, *source)
        assert (code, said[:3]) == (0, "ok:"), said
        code, said = certified(chain, *AT, *source, "--json")
        assert json.loads(said)["verified"] is True


def test_every_reason_against_a_certificate_is_said(chain: Path) -> None:
    revoked = ("--crl", str(chain / "revoked.crl"))
    code, said = certified(chain, *AT, *revoked, "--json", address="other@example.org")
    assert code == 1
    assert {one["code"] for one in json.loads(said)["reasons"]} == {"address", "revoked"}
    code, said = certified(chain, *AT)
    assert (code, said.partition(": ")[2][:18]) == (1, "revocation-unknown")
    assert certified(chain, "--at", "2036-01-01T00:00:00Z", *revoked)[0] == 1


def test_a_time_without_an_offset_or_a_missing_file_is_bad_use(chain: Path) -> None:
    assert certified(chain, "--at", "2026-12-01")[0] == 2
    assert certified(chain, "--at", "tomorrow")[0] == 2
    assert certified(chain, *AT, "--crl", str(chain / "nothing"))[0] == 2


def test_without_revocation_stated_it_can_still_be_required(chain: Path) -> None:
    (chain / "chain.pem").write_text(pem_of(CA.issue()))
    assert certified(chain, *AT)[0] == 0
    assert certified(chain, *AT, "--require-revocation")[0] == 1


def test_keys_of_each_form_are_named_as_before() -> None:
    assert recipient_key("hpke", hpke.generate("x25519")[1]).form == "hpke"
    assert recipient_key("jwe", jwe.generate()[1]).form == "jwe"
