"""Scripts that Redis runs: each is loaded once for each server it is asked of."""

from collections.abc import Sequence
from typing import Final

from gateway.spread.connections import Command, Connections, RedisAway, Refusal, Reply, Word

_UNKNOWN: Final = Refusal("NOSCRIPT")
_MISTYPED: Final = (Refusal("WRONGTYPE"), Refusal("ERR"))  # before Redis 7.0 scripts say ERR


class Script:
    """One script. What it is given is ids and numbers; what it returns is numbers."""

    def __init__(self, connections: Connections, text: str) -> None:
        self._connections = connections
        self._text = text
        self._name: str | None = None

    async def run(self, calls: Sequence[tuple[Sequence[str], Sequence[Word]]]) -> list[Reply]:
        """Run it once for each (keys, arguments); return the replies in order.

        A key that is of another type is deleted, and the call made once more.

        Raises:
            RedisAway.
        """
        if not calls:
            return []
        replies = await self._asked(calls)
        wrong = [n for n, one in enumerate(replies) if one in _MISTYPED]
        if wrong:
            await self._connections.one("DEL", *(key for n in wrong for key in calls[n][0]))
            again = await self._asked([calls[n] for n in wrong])
            for n, reply in zip(wrong, again, strict=True):
                replies[n] = reply
        return replies

    async def _asked(self, calls: Sequence[tuple[Sequence[str], Sequence[Word]]]) -> list[Reply]:
        for _ in range(2):
            if self._name is None:
                self._name = await self._connections.load(self._text)
            name = self._name
            commands: list[Command] = [
                ("EVALSHA", name, len(keys), *keys, *arguments) for keys, arguments in calls
            ]
            replies = await self._connections.batch(commands)
            if _UNKNOWN not in replies:
                return replies
            self._name = None  # none of them ran: all are the same script
        raise RedisAway("noscript")
