"""What one process of a gateway does for all of them: whoever owns the first shard."""

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Final

from gateway import clock
from gateway.assembly import Own, receive
from gateway.bounces.reader import BounceReader
from gateway.config import BadConfig, Config
from gateway.deliver import Deliverer
from gateway.escalate import Escalating, Escalator
from gateway.incidents import Incidents
from gateway.instance import verifiers_of
from gateway.loops import Loop
from gateway.metrics import BOUNCES
from gateway.shards import while_first
from gateway.store import approvals, disposal
from gateway.store.log_index import keep_indexed
from gateway.store.sqlite import StoreUnavailable
from gateway.transport import outbound_policy
from gateway.vouching.fetch import RevocationFetcher
from gateway.vouching.vouch import Anchors
from gateway.vouching.watch import KeyWatch
from gateway.witnessing import witnessing_of

_LAPSE_EVERY_S: Final = 3600.0


def loops_of_one(
    own: Own,
    deliverer: Deliverer,
    incidents: Incidents,
    closing: contextlib.AsyncExitStack,
) -> Mapping[str, Loop]:
    """Return the loops by name; each runs where the first shard is owned, and nowhere else."""
    config = own.config
    escalator = Escalator(
        Escalating(
            store=own.store,
            directory=own.directory,
            law=own.law,
            disclosing=own.disclosing,
            now=own.now,
            new_id=clock.new_id,
            take=deliverer.take,
            chase_within=config.escalation.chase_within,
        )
    )
    fetcher = RevocationFetcher(outbound_policy(config))
    closing.push_async_callback(fetcher.close)
    watch = KeyWatch(
        directory=own.directory,
        anchors=anchors_of(config),
        fetcher=fetcher,
        commit=own.store.commit,
        clock=own.now,
        new_id=clock.new_id,
        report=incidents.report,
        every_s=config.certificates.refresh_s,
    )
    loops: dict[str, Loop] = {
        "escalate": own.standing.while_whole(escalator.run),
        "watch-keys": own.standing.while_whole(watch.run),
        "standing": own.standing.run,
        "index-log": partial(keep_indexed, own.store.commit, own.store.reader),
        "approvals": own.standing.while_whole(partial(_lapse_approvals, own)),
    }
    if config.witness is not None:
        witnessing = witnessing_of(
            config,
            config.witness,
            store=own.store,
            log_keys=lambda: verifiers_of(config),
            now=own.now,
            report=incidents.report,
            closing=closing,
            on_behind=own.standing.on_behind,
            on_forked=own.standing.on_forked,
        )
        loops["witness"] = own.standing.while_whole(witnessing.run)
    if config.email is not None and config.email.bounces is not None:
        bounces = config.email.bounces
        reader = BounceReader(
            config.path(bounces.maildir),
            partial(receive, own),
            poll_s=bounces.poll_s,
            keep=bounces.after == "keep",
            count=lambda code: BOUNCES.labels(code).inc(),
        )
        loops["bounces"] = reader.run
    if disposal.terms_of(config.retention, own.now()):
        disposing = disposal.Disposing(
            place=own.store.place, section=config.retention, commit=own.store.commit, now=own.now
        )
        loops["retention"] = own.standing.while_whole(disposing.run)
    return {name: while_first(own.store.shards, loop) for name, loop in loops.items()}


async def _lapse_approvals(own: Own) -> None:
    while True:
        with contextlib.suppress(StoreUnavailable):  # no space, or busy: whoever writes says so
            await own.store.commit(approvals.lapse(own.now()))
        await asyncio.sleep(_LAPSE_EVERY_S)


def anchors_of(config: Config) -> Anchors | None:
    """Return whom recipients' certificates may rest on; None: nobody is configured.

    Raises:
        BadConfig: a file of anchors cannot be read.
    """
    section = config.certificates
    if not section.anchors:
        return None
    try:
        pem = "\n".join(config.path(one).read_text("ascii") for one in section.anchors)
    except (OSError, UnicodeDecodeError):
        raise BadConfig("certificates: anchors: a file cannot be read") from None
    stale_after = timedelta(hours=section.stale_after_h)
    return Anchors(pem=pem, revocation=section.revocation, stale_after=stale_after)
