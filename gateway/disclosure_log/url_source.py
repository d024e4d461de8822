"""Reading a log over HTTP for audit: the routes of tlog-tiles, with bounded answers.

No redirects and no proxies: what answers is what was named. Nothing read here is trusted.
"""

import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse
from typing import IO, Final
from urllib.parse import urlsplit

from gateway.disclosure_log.problem import CannotRead
from gateway.disclosure_log.tiled_source import MAX_LINE, TiledSource

TIMEOUT_S: Final = 30.0


class UrlSource(TiledSource):
    """A log behind a URL: a gateway, or any web server that serves an exported bundle.

    Args:
        url: http or https: of the gateway, of its ``/log``, or of the bundle.

    Raises:
        CannotRead: not-a-url. Every method may raise it with unreachable, refused (any status
            but 200, so also entries that are not for us), redirect or too-long.
    """

    def __init__(self, url: str) -> None:
        super().__init__()
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise CannotRead("not-a-url")
        stem = url.rstrip("/").removesuffix("/log")
        self._bases = [f"{stem}/log/", f"{url.rstrip('/')}/"]  # one is left once one has answered
        self._opener = urllib.request.build_opener(_NoRedirect(), urllib.request.ProxyHandler({}))

    def _bytes(self, path: str, limit: int) -> bytes:
        with self._get(path) as answer:
            try:
                body = answer.read(limit + 1)
            except (OSError, HTTPException) as error:
                raise CannotRead("unreachable") from error
        if len(body) > limit:
            raise CannotRead("too-long")
        return body

    def _lines(self, path: str) -> Iterator[bytes]:
        with self._get(path) as answer:
            while line := self._read_line(answer):
                yield line

    def _read_line(self, answer: HTTPResponse) -> bytes:
        try:
            line = answer.readline(MAX_LINE)
        except (OSError, HTTPException) as error:
            raise CannotRead("unreachable") from error
        if len(line) == MAX_LINE:
            raise CannotRead("too-long")
        return line

    def _get(self, path: str) -> HTTPResponse:
        for base in self._bases:
            try:
                answer = self._ask(base + path)
            except CannotRead as error:
                if error.code != "refused" or base == self._bases[-1]:
                    raise
            else:
                self._bases = [base]
                return answer
        raise CannotRead("refused")

    def _ask(self, url: str) -> HTTPResponse:
        request = urllib.request.Request(url)  # noqa: S310 - http(s) only, above
        try:
            answer: HTTPResponse = self._opener.open(request, timeout=TIMEOUT_S)
        except urllib.error.HTTPError as error:
            error.close()
            raise CannotRead("redirect" if 300 <= error.code < 400 else "refused") from None
        except (OSError, HTTPException, ValueError) as error:
            raise CannotRead("unreachable") from error
        return answer


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: object,
        newurl: str,
    ) -> None:
        """Follow nothing: the status then surfaces as an HTTPError."""
