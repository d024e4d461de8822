"""One attempt: what a row, a digest or a batch leaves as, and what its channel makes of it."""

from dataclasses import dataclass

from gateway.channels.contract import BatchChannel, Together
from gateway.delivery.digest import digest_text
from gateway.delivery.lane import Load
from gateway.delivery.terms import Delivering
from gateway.model.disclosure import Parcel
from gateway.model.outcome import Deferred, Outcome, Rejected
from gateway.model.party import Endpoint
from gateway.model.reference import reference
from gateway.store.outbox import OutboxRow
from gateway.store.sqlite import StoreUnavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One attempt that was made."""

    rows: Load  # it was of, as they are now; the rest of the load stayed, and are still owed
    each: tuple[Outcome, ...]  # of each row
    said: Outcome | None  # of the endpoint; None: nothing was asked of it


async def attempt_at(load: Load, delivering: Delivering) -> Made:
    """Make one attempt at what still is to leave.

    Nothing is put on the wire for an exercise over a live route, or the other way round.
    """
    if len(load) > 1 and not load[0].digest:
        return await _together(load, delivering)
    rows, said = await _alone(load, delivering)
    return Made(rows=rows, each=(said,) * len(rows), said=said)


async def _together(load: Load, delivering: Delivering) -> Made:
    """Make one attempt at several rows, each as fit to leave as if it left alone."""
    first = load[0]
    endpoint = delivering.endpoint_of(first.endpoint)
    channel = delivering.channels.get(first.channel)
    if endpoint is None or not isinstance(channel, BatchChannel):
        rows, said = await _alone(load[:1], delivering)
        return Made(rows=rows, each=(said,), said=said)
    fit: list[OutboxRow] = []
    unfit: list[tuple[OutboxRow, Outcome]] = []
    for row in load[: endpoint.batches]:
        if row.exercise != endpoint.exercise:
            unfit.append((row, Rejected(reason="exercise")))
            continue
        prepared = await _prepared(row, delivering)
        if isinstance(prepared, Deferred):
            unfit.append((row, prepared))
        else:
            fit.append(prepared)
    # Making so many ready takes a while: what was withheld meanwhile does not leave.
    fit = [row for row in fit if delivering.owed.is_pending(row.key)]
    came = await _post(fit, endpoint, channel)
    each = came.each if came is not None else ()
    return Made(
        rows=(*fit[: len(each)], *(row for row, _trouble in unfit)),
        each=(*each, *(trouble for _row, trouble in unfit)),
        said=came.said if came is not None else None,
    )


async def _post(
    rows: list[OutboxRow], endpoint: Endpoint, channel: BatchChannel
) -> Together | None:
    parcels = [_parcel(row, endpoint, row.sealed) for row in rows]
    if not parcels:
        return None
    if len(parcels) == 1:
        said = await channel.deliver(parcels[0])
        return Together(said=said, each=(said,))
    return await channel.deliver_together(parcels, most_bytes=endpoint.batch_bytes)


async def _alone(load: Load, delivering: Delivering) -> tuple[Load, Outcome]:
    first = load[0]
    endpoint = delivering.endpoint_of(first.endpoint)
    channel = delivering.channels.get(first.channel)
    if endpoint is None or channel is None:
        return load, Deferred(reason="no-endpoint" if endpoint is None else "no-channel")
    if any(row.exercise != endpoint.exercise for row in load):
        return load, Rejected(reason="exercise")
    if first.key_id is not None or not first.digest:  # a digest is sealed to no key
        prepared = await _prepared(first, delivering)
        if isinstance(prepared, Deferred):
            return load, prepared
        first, load = prepared, (prepared, *load[1:])
    sealed = first.sealed if len(load) == 1 else _digest(load, delivering)
    return load, await channel.deliver(_parcel(first, endpoint, sealed))


async def _prepared(row: OutboxRow, delivering: Delivering) -> OutboxRow | Deferred:
    """Prepare a row; a fault in that is told later, on the ladder, and stops no lane."""
    try:
        return await delivering.prepare(row)
    except StoreUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, nothing has left
        return Deferred(reason=f"fault-{type(error).__name__}")


def _digest(load: Load, delivering: Delivering) -> bytes:
    return digest_text(
        [
            (reference(row.alert), delivering.pick_up(row.alert, row.endpoint, row.link_issue))
            for row in load
        ]
    )


def _parcel(row: OutboxRow, endpoint: Endpoint, sealed: bytes) -> Parcel:
    return Parcel(
        alert=row.alert,
        endpoint=row.endpoint,
        channel=row.channel,
        form=row.form,
        address=endpoint.address,
        sealed=sealed,
        proof=row.proof,
        decided_at=row.decided_at,
        attempt=row.attempts + 1,
        outcome_unknown=row.outcome_unknown,
        urgent=row.urgent,
        exercise=row.exercise,
        exercise_route=endpoint.exercise,
        route=endpoint.route,
    )
