"""The replay window of all processes: what one of them saw is soon known to the others.

Only what a process would keep in memory alone is kept here: what to say once, and what to refuse
early. What must happen once is so by SQL: a request is one row under its agency and id, a code of a
second factor the newest step of its row. Forgetting, here, means that a thing is said twice.
"""

from gateway.feeds.seen import Seen
from gateway.spread.connections import Connections, RedisAway
from gateway.spread.names import Names
from gateway.spread.presence import Presence


class ReplayWindow:
    """Remembers keys for a while, by digest: in memory, and in Redis while it is there."""

    def __init__(
        self, connections: Connections, names: Names, presence: Presence, *, what: str, lasts_s: int
    ) -> None:
        """Remember nothing yet.

        Args:
            connections: To Redis.
            names: Of this instance's keys.
            presence: Whether Redis is there.
            what: The kind of key: lower-case letters and hyphens.
            lasts_s: How long a key is remembered.
        """
        self._connections = connections
        self._names = names
        self._presence = presence
        self._what = what
        self._lasts_s = lasts_s
        self._own = Seen()

    async def is_first(self, *key: str) -> bool:
        """Return whether nobody asked of this key before, and remember it. Never raises but for
        cancellation.

        True may be wrong: Redis may be away, or have forgotten. False is not, within the window.
        """
        digest = self._names.digest(self._what, "\n".join(key))
        if digest in self._own:
            return False
        self._own.add(digest)
        if not self._presence.up:
            return True
        name = self._names.once(self._what, digest)
        try:
            reply = await self._connections.one("SET", name, 1, "NX", "EX", self._lasts_s)
        except RedisAway as error:
            self._presence.failed(error)
            return True
        return reply is not None  # a refusal, out of memory, is no one's word

    async def forget(self, *key: str) -> None:
        """Let a key be new again: what it stood for did not happen. Never raises but for
        cancellation."""
        digest = self._names.digest(self._what, "\n".join(key))
        self._own.discard(digest)
        if self._presence.up:
            try:
                await self._connections.one("DEL", self._names.once(self._what, digest))
            except RedisAway as error:
                self._presence.failed(error)
