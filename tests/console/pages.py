"""Pages of a console in miniature: one of each sort that the shell must tell apart."""

from collections.abc import Mapping

from aiohttp import web

from gateway.console.own import ConsoleOwn
from gateway.console.page import ConsoleRoute, Download, Given, Moved, Shown, Visitor
from gateway.model.staff import StaffRole
from gateway.store.sqlite import StoreUnavailable

SECRET = "what the exception says"


class Pages:
    """Remembers what reached it."""

    def __init__(self) -> None:
        self.reached: list[tuple[str, Mapping[str, str]]] = []

    def routes(self, _own: ConsoleOwn) -> list[ConsoleRoute]:
        dpo: frozenset[StaffRole] = frozenset({"dpo"})
        operator: frozenset[StaffRole] = frozenset({"operator"})
        return [
            ConsoleRoute(
                path="/console/things", roles=dpo, get=self.show, post=self.take, nav="Things"
            ),
            ConsoleRoute(path="/console/things/{ref}", roles=dpo, get=self.show),
            ConsoleRoute(path="/console/machine", roles=operator, get=self.show, nav="Machine"),
            ConsoleRoute(
                path="/console/grave", roles=dpo, get=self.show, post=self.take, fresh=True
            ),
            ConsoleRoute(path="/console/file", roles=dpo, get=self.file),
            ConsoleRoute(path="/console/broken", roles=dpo, get=self.broken),
            ConsoleRoute(path="/console/away", roles=dpo, get=self.away),
            ConsoleRoute(path="/console/gone", roles=dpo, get=self.gone),
        ]

    async def show(self, request: web.Request, visitor: Visitor) -> Given:
        self.reached.append((request.path, {}))
        paragraphs = [f"for {visitor.staff}", "<script>alert(1)</script>", str(visitor.scope)]
        return Shown(template="plain.html", title="Things", values={"paragraphs": paragraphs})

    async def take(
        self, request: web.Request, _visitor: Visitor, fields: Mapping[str, str]
    ) -> Given:
        self.reached.append((request.path, fields))
        return Moved(to="/console/things")

    async def file(self, _request: web.Request, _visitor: Visitor) -> Given:
        return Download(name='a"\r\nb.csv', content_type="text/csv", body=b"<script>\n")

    async def broken(self, _request: web.Request, _visitor: Visitor) -> Given:
        raise ValueError(SECRET)

    async def away(self, _request: web.Request, _visitor: Visitor) -> Given:
        raise StoreUnavailable("disk-full", SECRET)

    async def gone(self, _request: web.Request, _visitor: Visitor) -> Given:
        raise web.HTTPNotFound
