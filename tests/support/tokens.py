"""Where keys live besides files, for real: a SoftHSM token, and KMS answered for on loopback."""

import atexit
import contextlib
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import mkdtemp

from keys.providers import aws_kms, pkcs11
from keys.providers.aws_kms import Kms
from keys.providers.token import Token
from tests.support.servers import require

PIN = "48151623"
REGION = "eu-west-2"

_MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so")


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftHsm:
    """A folder of software tokens. One per process: the module reads its configuration once."""

    folder: Path
    module: Path

    @property
    def pin_file(self) -> Path:
        """The right PIN."""
        return self.folder / "pin"

    def add(self, label: str) -> None:
        """Make an empty token, and have the module look for it."""
        import pkcs11 as module

        options = ("--init-token", "--free", "--label", label, "--so-pin", "1234", "--pin", PIN)
        subprocess.run(
            [require("softhsm2-util", "softhsm2"), *options], check=True, capture_output=True
        )
        module.lib(str(self.module)).reinitialize()

    def token(self, label: str, *, pin_file: Path | None = None, timeout_s: float = 5) -> Token:
        """Return a token as the gateway uses it."""
        return Token(self.module, label, pin_file or self.pin_file, timeout_s=timeout_s)

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """Take every token out of the machine until the block ends."""
        tokens, aside = self.folder / "tokens", self.folder / "aside"
        tokens.rename(aside)
        tokens.mkdir()
        try:
            yield
        finally:
            tokens.rmdir()
            aside.rename(tokens)


@lru_cache(maxsize=1)
def soft_hsm() -> SoftHsm:
    """Set SoftHSM up in a folder of its own, which goes when the process does."""
    require("softhsm2-util", "softhsm2")
    folder = Path(mkdtemp(prefix="softhsm-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "tokens").mkdir()
    conf = folder / "softhsm2.conf"
    conf.write_text(
        f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\n"
        "log.level = ERROR\n"
    )
    os.environ["SOFTHSM2_CONF"] = str(conf)
    (folder / "pin").write_text(PIN)
    (folder / "pin").chmod(0o600)
    return SoftHsm(folder=folder, module=next(p for p in map(Path, _MODULES) if p.exists()))


def signing_pair(token: Token, label: str, *, edwards: bool) -> None:
    """Make an Ed25519 or a P-256 key pair in a token."""
    import pkcs11 as module
    from pkcs11.util.ec import encode_named_curve_parameters

    def make(session: module.Session) -> None:
        curve = encode_named_curve_parameters("1.3.101.112" if edwards else "secp256r1")
        kind = module.KeyType.EC_EDWARDS if edwards else module.KeyType.EC
        with session.token.open(rw=True) as writing:
            parameters = writing.create_domain_parameters(
                kind, {module.Attribute.EC_PARAMS: curve}, local=True
            )
            mechanism = (
                module.Mechanism.EC_EDWARDS_KEY_PAIR_GEN
                if edwards
                else module.Mechanism.EC_KEY_PAIR_GEN
            )
            parameters.generate_keypair(mechanism=mechanism, label=label, store=True)

    token.run(make)


class KmsServer:
    """KMS on loopback. One started anew on the same port knows the keys made before."""

    def __init__(self, port: int = 0) -> None:
        from moto.server import ThreadedMotoServer

        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.port = port
        self.url = f"http://{host}:{port}"

    def client(self, *, timeout_s: float = 5) -> Kms:
        """Return a client as the gateway uses it."""
        return aws_kms.client(region=REGION, endpoint_url=self.url, timeout_s=timeout_s)

    @cached_property
    def _admin(self) -> object:
        return self.client()

    def new_key(self, **spec: str) -> str:
        """Make a key and return its id."""
        made = self._admin.create_key(**spec)  # type: ignore[attr-defined]
        return str(made["KeyMetadata"]["KeyId"])

    def stop(self) -> None:
        """Answer no more."""
        self._server.stop()


@contextlib.contextmanager
def refusing_kms(code: str, *, status: int = 400, wait_s: float = 0) -> Iterator[str]:
    """Answer every request on loopback with one AWS error, after a while; yield the URL."""

    class Refusing(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            time.sleep(wait_s)
            body = f'{{"__type": "{code}", "message": "Testerson 9990000018"}}'.encode()
            with contextlib.suppress(OSError):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def aws_credentials() -> None:
    """Put credentials that mean nothing where boto3 looks for them, and keep it from looking on."""
    os.environ.update(
        AWS_ACCESS_KEY_ID="example",
        AWS_SECRET_ACCESS_KEY="example",
        AWS_EC2_METADATA_DISABLED="true",
    )


def new_token_key(token: Token, label: str) -> pkcs11.TokenKey:
    """Make a key-encryption key in a token and return it."""
    pkcs11.create(token, label)
    return pkcs11.TokenKey(token, label)
