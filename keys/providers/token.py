"""A PKCS#11 token: one session, used by one thread, opened again after the token was away.

A refused PIN is never offered twice, for the token would lock. Source: PKCS#11 v2.40.
"""

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from keys.problem import KeyProblem
from keys.providers.problem import UNAVAILABLE, ProviderProblem, Rest
from keys.providers.secret_file import read_secret
from keys.unpickled import NeverPickled

if TYPE_CHECKING:
    import pkcs11

T = TypeVar("T")

# Starting a module over ends the sessions of every token in it: nobody may be inside meanwhile.
_IN_MODULE: Final = threading.Lock()
_BETWEEN_LOGINS_S: Final = 1.0  # no busy loop, whoever asks how often
_PIN_REFUSED: Final = ("PinIncorrect", "PinLocked", "PinExpired", "PinInvalid", "PinLenRange",
                       "UserPinNotInitialized")  # fmt: skip


@dataclass(slots=True)
class _Job(Generic[T]):
    work: Callable[["pkcs11.Session"], T]
    done: threading.Event = field(default_factory=threading.Event)
    result: T | None = None
    error: Exception | None = None


class Token(NeverPickled):
    """One token of a PKCS#11 module.

    Args:
        module: The module's shared library.
        label: The token's label.
        pin_file: The user PIN, in a file closed to everyone else.
        timeout_s: How long a call may take. One that takes longer fails, and so do all others at
            once until it returns.
    """

    def __init__(self, module: Path, label: str, pin_file: Path, *, timeout_s: float) -> None:
        self._module = module
        self._label = label
        self._pin_file = pin_file
        self._timeout_s = timeout_s
        self._jobs: queue.SimpleQueue[_Job[Any]] = queue.SimpleQueue()
        self._turn = threading.Lock()
        self._rest = Rest()
        self._late: _Job[Any] | None = None
        self._thread: threading.Thread | None = None
        # Of the worker thread alone:
        self._session: pkcs11.Session | None = None
        self._login_after = 0.0
        self._start_after = 0.0
        self._refused_pin: tuple[int, int] | None = None  # which file state held it

    def __repr__(self) -> str:
        return f"Token({self._label})"

    def run(self, work: Callable[["pkcs11.Session"], T]) -> T:
        """Return what `work` makes of a session logged in; once more if the session was lost.

        Raises:
            ProviderProblem: as its codes say.
            KeyProblem: what `work` raises.
        """
        self._rest.check()
        began = time.monotonic()
        if not self._turn.acquire(timeout=self._timeout_s):
            raise _slow()
        try:
            if self._late is not None and not self._late.done.is_set():
                raise _slow()
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="token", daemon=True)
                self._thread.start()
            job = _Job(work)
            self._jobs.put(job)
            if not job.done.wait(self._timeout_s):
                self._late = job
                self._rest.after(began)
                raise _slow()
        finally:
            self._turn.release()
        if job.error is not None:
            raise job.error
        return job.result  # type: ignore[return-value]  # set wherever there is no error

    def _serve(self) -> None:
        while True:
            job = self._jobs.get()
            try:
                with _IN_MODULE:
                    job.result = self._with_session(job.work)
            except KeyProblem as error:
                job.error = error
            except Exception as error:  # noqa: BLE001 - a module may raise anything; fail closed
                job.error = _problem(error)
            job.done.set()

    def _with_session(self, work: Callable[["pkcs11.Session"], T]) -> T:
        import pkcs11

        fresh = self._session is None
        try:
            return work(self._opened())
        except pkcs11.PKCS11Error:
            self._drop()
            if fresh:
                self._start_over()
                raise
        try:
            return work(self._opened())
        except pkcs11.PKCS11Error:
            self._drop()
            self._start_over()
            raise

    def _opened(self) -> "pkcs11.Session":
        if self._session is not None:
            return self._session
        self._check_pin_is_another()
        if time.monotonic() < self._login_after:
            raise ProviderProblem(UNAVAILABLE, "the token was away a moment ago")
        self._login_after = time.monotonic() + _BETWEEN_LOGINS_S
        self._session = self._log_in(read_secret(self._pin_file))
        self._login_after = 0.0
        return self._session

    def _log_in(self, pin: str) -> "pkcs11.Session":
        import pkcs11

        stamp = self._pin_stamp()
        try:
            module = pkcs11.lib(str(self._module))
            token = module.get_token(token_label=self._label)
            try:
                return token.open(user_pin=pin)
            except pkcs11.UserAlreadyLoggedIn:  # by another session of this process
                return token.open()
        except Exception as error:  # noqa: BLE001 - as in `_serve`
            problem = _problem(error)
            if problem.code == "pin":
                self._refused_pin = stamp
            elif problem.code == UNAVAILABLE:
                self._start_over()
            raise problem from None

    def _check_pin_is_another(self) -> None:
        if self._refused_pin is not None and self._refused_pin == self._pin_stamp():
            raise ProviderProblem("pin", _PIN_TEXT)
        self._refused_pin = None

    def _pin_stamp(self) -> tuple[int, int]:
        try:
            found = self._pin_file.stat()
        except OSError:
            return (0, 0)
        return found.st_mtime_ns, found.st_ino

    def _start_over(self) -> None:
        """Have the module look for its tokens anew: some find one that came back only then."""
        import pkcs11

        if time.monotonic() < self._start_after:
            return
        self._start_after = time.monotonic() + _BETWEEN_LOGINS_S
        with contextlib.suppress(Exception):  # the next call says what is wrong
            pkcs11.lib(str(self._module)).reinitialize()

    def _drop(self) -> None:
        """Let the session go; whether the module still knows it does not matter."""
        session, self._session = self._session, None
        with contextlib.suppress(Exception):  # it is gone as it is
            if session is not None:
                session.close()


@lru_cache(maxsize=16)
def token(module: Path, label: str, pin_file: Path, timeout_s: float) -> Token:
    """Return the one `Token` of these, for all keys in it: a process logs in to a token once."""
    return Token(module, label, pin_file, timeout_s=timeout_s)


_PIN_TEXT: Final = "the token refuses the PIN; it is not offered again until its file changes"


def _problem(error: Exception) -> ProviderProblem:
    """Return what a module's error means to an operator. Its own text is not quoted."""
    if isinstance(error, ProviderProblem):
        return error
    name = type(error).__name__
    if isinstance(error, ImportError):
        return ProviderProblem("not-installed", "PKCS#11 needs the package python-pkcs11")
    if name in _PIN_REFUSED:
        return ProviderProblem("pin", _PIN_TEXT)
    if name in ("NoSuchKey", "MultipleObjectsReturned"):
        return ProviderProblem("no-such-key", "the token holds no such key, or two of that label")
    return ProviderProblem(UNAVAILABLE, f"the token cannot be used ({name})")


def _slow() -> ProviderProblem:
    return ProviderProblem(UNAVAILABLE, "the token did not answer in time")
