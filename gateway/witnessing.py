"""The loop that has the log's checkpoints cosigned, and says when witnesses refuse or are missing.

1. Nothing waits for it: alerts leave with proofs against the gateway's own checkpoints until one
   is witnessed.
2. A checkpoint counts as witnessed once the policy is satisfied by signatures verified here.
3. A witness's bare word stops nothing. That this log is behind or forked is acted on when the
   witness shows a checkpoint that our own key signed and this log does not have, or when so many
   say it that the policy would believe them.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog

from gateway.channels.addresses import BadAddress
from gateway.channels.http_client import USER_AGENT, GuardedClient
from gateway.config import BadConfig, Config
from gateway.config.witness import WitnessConfig
from gateway.disclosure_log.checkpoint import (
    Checkpoint,
    VerifierKey,
    parse_checkpoint,
    verify_checkpoint,
)
from gateway.disclosure_log.cosignature import timestamp_of
from gateway.disclosure_log.note import merge, parse_note
from gateway.disclosure_log.problem import BadCheckpoint, BadKey
from gateway.disclosure_log.trust_policy import NONE, BadPolicy, TrustPolicy
from gateway.incidents import Code
from gateway.store import witnessed
from gateway.store.log_paths import paths_of
from gateway.store.sqlite import StoreUnavailable
from gateway.store.store import Store
from gateway.transport import client_tls
from gateway.witness import request
from gateway.witness.ask import WITNESS_POLICY, Conflict, Cosigned, Refused, Unreached, ask, latest
from gateway.witness.asked import Asked, Trouble, to_ask

OnTrouble = Callable[[int], Awaitable[None]]  # the size of what we once signed and do not have

_TRIES: Final = 3  # in one look: a witness says its size, and may have moved on meanwhile

_LOG = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class _Round:
    """One checkpoint on its way to being witnessed."""

    checkpoint: Checkpoint
    signed: str  # as the log signed it
    note: str  # with the signatures gathered so far
    stored: frozenset[str] = frozenset()  # witnesses whose signatures are in the store
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)


async def _nothing(_size: int) -> None:
    return


class Witnessing:
    """One in a gateway is enough: the first worker's."""

    def __init__(
        self,
        *,
        store: Store,
        policy: TrustPolicy,
        log_keys: Callable[[], Sequence[VerifierKey]],
        client: GuardedClient,
        now: Callable[[], datetime],
        report: Callable[[Code, str], None],
        every_s: float,
        stale_after_s: float,
        on_behind: OnTrouble = _nothing,
        on_forked: OnTrouble = _nothing,
    ) -> None:
        """Build it.

        Args:
            store: Whose log is witnessed.
            policy: Its witnesses with URLs are asked; those of one URL are keys of one witness.
            log_keys: The keys this log signs with now, and did before.
            client: Kept-alive connections; TLS verified.
            now: Aware UTC.
            report: Tells the operator: a code, and the witness or log it is about.
            every_s: Seconds between two looks.
            stale_after_s: Without a quorum for so long, the operator is told.
            on_behind: Told the size of what was once signed, when the log is smaller.
            on_forked: Told the size at which the log is not what was once signed.

        Raises:
            BadPolicy: no-witness: the quorum needs nobody, or can never be met by those that have
                a URL.
            BadAddress: a URL is not https, nor http to a loopback address.
        """
        self.witnesses = tuple(to_ask(policy))
        reachable = frozenset[str]().union(*(one.names for one in self.witnesses))
        if policy.quorum == NONE or not policy.quorum_met(reachable):
            raise BadPolicy("no-witness")
        self._store = store
        self._policy = policy
        self._log_keys = log_keys
        self._client = client
        self._now = now
        self._report = report
        self._every_s = every_s
        self._stale_after = timedelta(seconds=stale_after_s)
        self._tell: dict[Trouble, OnTrouble] = {"behind": on_behind, "forked": on_forked}
        self._round: _Round | None = None
        self._settled_at: datetime | None = None  # when last nothing waited for witnesses

    async def run(self) -> None:
        """Look for ever. Trouble of the store is logged, and met again at the next look."""
        while True:
            try:
                await self.look()
            except StoreUnavailable as error:
                _LOG.error("cannot have the log witnessed", code=error.code)
            await asyncio.sleep(self._every_s)

    async def look(self) -> bool:
        """Ask every witness that lacks the newest checkpoint; return whether enough cosigned it.

        Commits when the policy is satisfied.

        Raises:
            StoreUnavailable: of the store; nothing is lost, a witness says again what it said.
        """
        note = self._store.latest_checkpoint()
        if note is None:
            return False
        turn = self._turn(note)
        now = self._now()
        due = [one for one in self.witnesses if one.is_due(turn.checkpoint.size, now)]
        results = await asyncio.gather(
            *(self._ask(one, turn) for one in due), return_exceptions=True
        )
        for one in results:
            if isinstance(one, BaseException):
                raise one
        self._judge_age(turn)
        return bool(turn.stored)

    def _turn(self, note: str) -> _Round:
        """Return the round of the newest checkpoint: the one under way, or a new one."""
        checkpoint = parse_checkpoint(note)
        if self._round is None or self._round.checkpoint != checkpoint:
            kept = witnessed.newest(self._store.reader)
            turn = _Round(checkpoint=checkpoint, signed=note, note=note)
            if kept is not None and parse_checkpoint(kept[1]) == checkpoint:
                turn.note = kept[1]
                turn.stored = self._policy.cosigned_by(kept[1])
            self._round = turn
        return self._round

    async def _ask(self, witness: Asked, turn: _Round) -> None:
        """Ask one witness, with a proof from what it says it knows."""
        for _ in range(_TRIES):
            body = self._body(witness.size, turn)
            answer = await ask(self._client, witness.url, body)
            if not isinstance(answer, Conflict):
                break
            if answer.size > turn.checkpoint.size:
                await self._ahead(witness, answer.size, turn)
                return
            witness.size = answer.size
        if isinstance(answer, Cosigned):
            await self._cosigned(witness, answer, turn)
        elif isinstance(answer, Refused) and answer.status == 422:
            await self._forked(witness, turn)
        elif isinstance(answer, Refused):
            self._failed(witness, {403: "key-unknown", 404: "log-unknown"}.get(answer.status)
                         or f"http-{answer.status}")  # fmt: skip
        else:
            self._failed(witness, answer.reason if isinstance(answer, Unreached) else "size-moves")

    def _body(self, old: int, turn: _Round) -> str:
        size = turn.checkpoint.size
        path = paths_of(self._store.reader).consistency(old, size) if 0 < old < size else []
        # What other witnesses said of it is none of this one's business.
        return request.render(old, path, turn.signed)

    async def _cosigned(self, witness: Asked, answer: Cosigned, turn: _Round) -> None:
        """Take in the signatures of known keys that verify, and no others."""
        keys = {
            (one.key.name, one.key.id): one.key
            for one in self._policy.witnesses
            if one.name in witness.names
        }
        text = parse_note(turn.note).text.encode()
        good = [
            (name, blob)
            for name, blob in answer.signatures
            if (key := keys.get((name, blob[:4]))) is not None
            and timestamp_of(blob[4:])  # nor one that states no time
            and key.verifies(text, blob[4:])
        ]
        if not good:
            self._failed(witness, "bad-cosignature")
            return
        try:
            turn.note = merge(turn.note, good)
        except BadCheckpoint as error:  # so many witnesses that no verifier would read them all
            self._failed(witness, error.code)
            return
        witness.cosigned(turn.checkpoint.size)
        await self._keep(turn)

    async def _keep(self, turn: _Round) -> None:
        """Store the checkpoint once its witnesses are enough, and again when there are more."""
        async with turn.writing:
            signers = self._policy.cosigned_by(turn.note)
            if signers <= turn.stored or not self._policy.quorum_met(signers):
                return
            await self._store.commit(witnessed.put(turn.note, self._now()))
            turn.stored = signers

    async def _ahead(self, witness: Asked, size: int, turn: _Round) -> None:
        """A witness says that it knows a larger log than the one just sent."""
        head = parse_checkpoint(self._store.latest_checkpoint() or turn.note).size
        if size <= head:  # it was shown a newer one meanwhile: the next look sends that
            witness.size = size
            return
        shown = await self._shown(witness, turn.checkpoint.origin)
        proven = shown if shown is not None and shown.size > head else None
        await self._troubled(witness, "behind", proven.size if proven else None, claimed=size)

    async def _forked(self, witness: Asked, turn: _Round) -> None:
        """A witness says that the log does not follow from what it cosigned before."""
        shown = await self._shown(witness, turn.checkpoint.origin)
        proven = None
        if shown is not None and shown.size <= turn.checkpoint.size:
            root = paths_of(self._store.reader).root(shown.size)
            proven = shown if shown.root != root else None
        await self._troubled(
            witness, "forked", proven.size if proven else None, claimed=turn.checkpoint.size
        )

    async def _shown(self, witness: Asked, origin: str) -> Checkpoint | None:
        """Return the checkpoint a witness shows of this log, if one of our own keys signed it."""
        note = await latest(self._client, witness.url, origin)
        if note is None:
            return None
        try:
            # By whatever name the keys go elsewhere: an origin is their name while it is in force.
            ours = {VerifierKey(name=origin, public=key.public) for key in self._log_keys()}
            shown = verify_checkpoint(note, tuple(ours))
        except (BadCheckpoint, BadKey):
            return None
        return shown if shown.origin == origin else None

    async def _troubled(
        self, witness: Asked, trouble: Trouble, proven: int | None, *, claimed: int
    ) -> None:
        code: Code = "log-behind-witness" if trouble == "behind" else "log-forked"
        witness.trouble = trouble
        self._failed(witness, code)
        self._report(code, witness.subject if proven is not None else f"{witness.subject} unproven")
        say_so = frozenset[str]().union(
            *(one.names for one in self.witnesses if one.trouble == trouble)
        )
        if proven is not None:
            await self._tell[trouble](proven)
        elif self._believed(say_so):
            await self._tell[trouble](claimed)

    def _believed(self, names: AbstractSet[str]) -> bool:
        return self._policy.quorum_met(names)

    def _failed(self, witness: Asked, code: str) -> None:
        witness.failed(code, self._now(), self._every_s)
        if witness.failures == 1:
            _LOG.warning("not cosigned", subject=witness.subject, code=code)

    def _judge_age(self, turn: _Round) -> None:
        """Tell the operator when checkpoints have gone without a quorum for too long."""
        now = self._now()
        if turn.stored or self._settled_at is None:
            self._settled_at = now
        elif now - self._settled_at >= self._stale_after:
            self._report("no-quorum", turn.checkpoint.origin)


def witnessing_of(
    config: Config,
    section: WitnessConfig,
    *,
    store: Store,
    log_keys: Callable[[], Sequence[VerifierKey]],
    now: Callable[[], datetime],
    report: Callable[[Code, str], None],
    closing: contextlib.AsyncExitStack,
    on_behind: OnTrouble = _nothing,
    on_forked: OnTrouble = _nothing,
) -> Witnessing:
    """Return the loop as the configuration has it; see `Witnessing` for the arguments.

    Raises:
        BadConfig: the policy or the authority cannot be read, or the policy can ask nobody enough.
    """
    file = config.path(section.policy)
    client = GuardedClient(
        policy=WITNESS_POLICY,
        ssl_context=client_tls(config, section.ca_file),
        timeout_s=section.timeout_s,
        user_agent=USER_AGENT,
    )
    closing.push_async_callback(client.close)
    try:
        return Witnessing(
            store=store,
            policy=TrustPolicy.parse(file.read_bytes()),
            log_keys=log_keys,
            client=client,
            now=now,
            report=report,
            every_s=section.every_s,
            stale_after_s=section.stale_after_s,
            on_behind=on_behind,
            on_forked=on_forked,
        )
    except OSError as error:
        raise BadConfig(f"witness: policy: cannot read {file}: {error.strerror}") from None
    except BadPolicy as error:
        raise BadConfig(f"witness: policy: {file}: {error}") from None
    except BadAddress as error:
        raise BadConfig(f"witness: policy: {file}: a witness's URL: {error.code}") from None
