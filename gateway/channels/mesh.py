"""NHS MESH: a sealed alert as one message from the gateway's mailbox to the recipient's.

The message is the same CloudEvent that a webhook gets, the proof beside the sealed alert; whoever
runs MESH can read all of it but what is sealed. Its metadata names both mailboxes, the workflow
and, as local id, the alert's opaque id: no subject, no file name. MESH has no key against repeats,
so the local id is looked up before anything is sent: it tells whether an earlier attempt was
taken, even one whose process did not live to record it.
"""

import asyncio

from gateway.channels.contract import Undeliverable
from gateway.channels.http_client import ADDRESS_REFUSED
from gateway.channels.webhook import webhook_body
from gateway.mesh_mailbox.client import MeshMailbox
from gateway.mesh_mailbox.messages import BadMailbox, Outgoing, Tracked, check_mailbox_id
from gateway.mesh_mailbox.trouble import MeshRefusal, MeshTrouble
from gateway.model.disclosure import Parcel
from gateway.model.outcome import Accepted, Deferred, Outcome, Rejected

CONTENT_TYPE = "application/cloudevents+json"

_TAKEN = frozenset({"accepted", "acknowledged"})
_FAILED = frozenset({"undeliverable", "error"})


class MeshChannel:
    """Sends parcels to MESH mailboxes."""

    def __init__(
        self, *, source: str, mailbox: MeshMailbox, workflow_id: str, timeout_s: float = 60
    ) -> None:
        """Build the channel; connections are made when first needed.

        Args:
            source: CloudEvents ``source`` of every alert: this gateway's URN.
            mailbox: Where alerts leave from; the channel closes it.
            workflow_id: Of every alert; the recipient's mailbox is registered for it.
            timeout_s: Deadline of one whole attempt, looking up included.
        """
        self._source = source
        self._mailbox = mailbox
        self._workflow_id = workflow_id
        self._timeout_s = timeout_s

    async def deliver(self, parcel: Parcel) -> Outcome:
        """Send the parcel unless an earlier attempt did. See `contract.Channel.deliver`."""
        try:
            message = Outgoing(
                to=check_mailbox_id(parcel.address),
                workflow_id=self._workflow_id,
                local_id=parcel.alert,
                content_type=CONTENT_TYPE,
                body=_body(parcel, self._source),
            )
        except BadMailbox:
            return ADDRESS_REFUSED
        except Undeliverable as refusal:
            return Rejected(reason=refusal.code)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._deliver(message, in_doubt=parcel.outcome_unknown)
        except TimeoutError:
            return Deferred(reason="timeout", outcome_unknown=True)
        except MeshRefusal as refused:
            return Rejected(reason=refused.code)
        except MeshTrouble as trouble:
            return _later(trouble, in_doubt=parcel.outcome_unknown)
        except Exception as error:  # noqa: BLE001  # the contract: an attempt never raises
            # The class names the fault; its message might name the address.
            return Deferred(reason=f"fault-{type(error).__name__}", outcome_unknown=True)

    async def close(self) -> None:
        """Close the kept-alive connections."""
        await self._mailbox.close()

    async def _deliver(self, message: Outgoing, *, in_doubt: bool) -> Outcome:
        tracked = await self._look_up(message.local_id, in_doubt=in_doubt)
        # One that went to another mailbox, before the directory was put right, told nobody here.
        if tracked is None or tracked.recipient != message.to:
            return Accepted(detail=await self._mailbox.send(message))
        return await self._became_of(tracked, message)

    async def _look_up(self, local_id: str, *, in_doubt: bool) -> Tracked | None:
        try:
            return await self._mailbox.track(local_id)
        except MeshTrouble as trouble:
            # Even a refusal is of the question only: an earlier message may have arrived.
            raise MeshTrouble(trouble.code, after=trouble.after, outcome_unknown=in_doubt) from None

    async def _became_of(self, tracked: Tracked, message: Outgoing) -> Outcome:
        """Judge what an earlier attempt came to; finish it if only a part of it arrived."""
        if tracked.status in _FAILED:
            return Rejected(reason=f"mesh-{tracked.status}")
        if tracked.status == "uploading":
            try:
                await self._mailbox.send_rest(tracked.message_id, message.body)
            except MeshTrouble as trouble:
                return _later(trouble, in_doubt=True)
        elif tracked.status not in _TAKEN:
            return Deferred(reason="mesh-malformed", outcome_unknown=True)
        return Accepted(detail=tracked.message_id)


def _later(trouble: MeshTrouble, *, in_doubt: bool) -> Deferred:
    """A refusal of our own password or certificate (403), or a lost route (404), is put right by
    an operator: no recipient may go untold for it."""
    return Deferred(
        reason=trouble.code,
        after=trouble.after,
        outcome_unknown=trouble.outcome_unknown or in_doubt,
    )


def _body(parcel: Parcel, source: str) -> bytes:
    """Return what is sent; over every attempt of one alert, the same bytes.

    Raises:
        Undeliverable: not-sealed: nothing but sealed alerts leaves over MESH.
    """
    if parcel.form != "sealed":
        raise Undeliverable("not-sealed")
    return webhook_body(parcel, source=source)
