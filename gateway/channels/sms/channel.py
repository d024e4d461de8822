"""SMS: an opaque reference, never content, over the first carrier that will take it.

Never the same text twice while anything can tell: a text in doubt is looked up with the carrier it
was handed to. A carrier that cannot tell (SMPP) leaves it in doubt, and for `quiet_s` nothing is
sent; after that a duplicate is better than silence.

What is in doubt, and with whom, is kept in memory. After a restart every carrier is asked, and one
that cannot tell starts the quiet time afresh.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from gateway.channels.addresses import BadAddress, check_phone
from gateway.channels.http_client import ADDRESS_REFUSED
from gateway.channels.sms.caps import Caps, NumberCaps, OwnCaps, TextCaps
from gateway.channels.sms.failover import Promptness, Rule
from gateway.channels.sms.provider import Pointer, SmsProvider, in_doubt, read_pointer
from gateway.model.disclosure import Parcel
from gateway.model.ids import AlertId, EndpointId
from gateway.model.outcome import Accepted, Deferred, Outcome, Receipt, Rejected

_MAX_REMEMBERED: Final = 10_000

_Key = tuple[AlertId, EndpointId]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Doubt:
    """Who may have taken a text; no one, once it was found out."""

    names: tuple[str, ...]
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Text:
    """One text under way."""

    parcel: Parcel
    number: str
    pointer: Pointer
    deadline: float

    @property
    def key(self) -> _Key:
        return (self.parcel.alert, self.parcel.endpoint)


class SmsChannel:
    """Sends pointers as texts over one or more carriers."""

    def __init__(
        self,
        *,
        providers: Sequence[SmsProvider],
        caps: Caps,
        rule: Rule,
        key: bytes,
        monotonic: Callable[[], float],
        timeout_s: float = 20,
        quiet_s: float = 900,
        shared: TextCaps | None = None,
    ) -> None:
        """Build the channel; connections are made when first needed.

        Args:
            providers: The preferred first, names all different.
            caps: Texts an hour to one number.
            rule: When a carrier counts as slow, so that the next one goes first.
            key: 16 random bytes or more, for the digests numbers are counted by.
            monotonic: Seconds of a clock that never goes back.
            timeout_s: Deadline of one whole attempt; after a doubt, half to look, half to send.
            quiet_s: How long nothing is sent while a text may have been taken and no one can tell.
            shared: Counts texts in place of `caps`, where several processes send.

        Raises:
            ValueError: no provider, or two of one name.
        """
        self._providers = {provider.name: provider for provider in providers}
        if not providers or len(self._providers) != len(providers):
            raise ValueError("sms: at least one provider, no two of one name")
        self._caps: TextCaps = shared or OwnCaps(NumberCaps(caps, key=key))
        self._promptness = Promptness(self._providers, rule)
        self._monotonic = monotonic
        self._timeout_s = timeout_s
        self._quiet_s = quiet_s
        self._doubts: OrderedDict[_Key, _Doubt] = OrderedDict()

    async def deliver(self, parcel: Parcel) -> Outcome:
        """Send the text unless an earlier attempt did. See `contract.Channel.deliver`."""
        pointer = read_pointer(parcel.sealed)
        if pointer is None:
            return Rejected(reason="not-a-pointer")
        try:
            number = check_phone(parcel.address)
        except BadAddress:
            return ADDRESS_REFUSED
        text = _Text(
            parcel=parcel,
            number=number,
            pointer=pointer,
            deadline=self._monotonic() + self._timeout_s,
        )
        doubt = self._doubt(text)
        if doubt is None or not doubt.names:
            return await self._send(text, shut_out=())
        return await self._settle(text, doubt)

    def heard(self, receipt: Receipt) -> None:
        """Note that a carrier's receipt came, by whichever way it did. Repeats are nothing."""
        if receipt.channel == "sms":
            self._promptness.heard(receipt.alert, self._monotonic())

    async def stay_ready(self) -> None:
        """Keep up the connections that receipts and replies come in on, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for provider in self._providers.values():
                group.create_task(provider.stay_ready())

    async def close(self) -> None:
        """Close every carrier's connections."""
        for provider in self._providers.values():
            await provider.close()

    def _doubt(self, text: _Text) -> _Doubt | None:
        known = self._doubts.get(text.key)
        if known is None and text.parcel.outcome_unknown:
            # Before a restart, or long ago: it may have been any of them.
            known = _Doubt(names=tuple(self._providers), since=self._monotonic())
            self._remember(text, known)
        return known

    async def _settle(self, text: _Text, doubt: _Doubt) -> Outcome:
        """Find out what became of an earlier text; send only when that is safe."""
        open_: list[tuple[str, Deferred]] = []
        for left, name in enumerate(doubt.names):
            within_s = self._timeout_s / 2 / (len(doubt.names) - left)
            found = await self._providers[name].look_up(
                text.parcel.alert, text.number, within_s=within_s
            )
            if isinstance(found, Deferred) and in_doubt(found):
                open_.append((name, found))
            elif found is not None:
                self._doubts.pop(text.key, None)
                return found
        self._remember(text, replace(doubt, names=tuple(name for name, _ in open_)))
        quiet_s = doubt.since + self._quiet_s - self._monotonic()
        # Who can be looked up but does not answer would not take a text either.
        shut_out = tuple(name for name, _ in open_ if self._providers[name].looks_up)
        if open_ and (quiet_s > 0 or len(shut_out) == len(self._providers)):
            return _still_in_doubt(open_, shut_out, quiet_s)
        return await self._send(text, shut_out=shut_out)

    async def _send(self, text: _Text, *, shut_out: tuple[str, ...]) -> Outcome:
        """Offer the text to each carrier in turn until one has or may have taken it."""
        now = self._monotonic()
        said = f"{text.pointer.reference}\n{text.pointer.link}"
        wait = await self._caps.take(text.number, said, urgent=text.parcel.urgent, at=now)
        if wait:
            return Deferred(reason="sms-cap", after=wait)
        names = [name for name in self._promptness.order(now) if name not in shut_out]
        refusals: list[Deferred] = []
        for left, name in enumerate(names):
            outcome = await self._offer(text, name, share=len(names) - left)
            if isinstance(outcome, Deferred) and not in_doubt(outcome):
                refusals.append(outcome)
                self._remember(text, _Doubt(names=shut_out, since=now))
                continue
            if not in_doubt(outcome):
                self._doubts.pop(text.key, None)
            if isinstance(outcome, Rejected):
                await self._caps.give_back(text.number, said)
            return outcome
        await self._caps.give_back(text.number, said)
        return min(refusals, key=lambda one: one.after or timedelta())

    async def _offer(self, text: _Text, name: str, *, share: int) -> Outcome:
        now = self._monotonic()
        # Noted first: an attempt cut off half-way leaves the doubt behind.
        self._remember(text, _Doubt(names=(name,), since=now))
        provider = self._providers[name]
        outcome = await provider.submit(
            text.parcel.alert,
            text.number,
            text.pointer,
            within_s=max((text.deadline - now) / share, 0.01),
        )
        if isinstance(outcome, Accepted):
            self._promptness.took(name, text.parcel.alert, now, receipt_due=provider.sends_receipts)
        elif isinstance(outcome, Deferred):
            self._promptness.failed(name, now)
        return outcome

    def _remember(self, text: _Text, doubt: _Doubt) -> None:
        self._doubts[text.key] = doubt
        self._doubts.move_to_end(text.key)
        if len(self._doubts) > _MAX_REMEMBERED:
            self._doubts.popitem(last=False)


def _still_in_doubt(
    open_: Sequence[tuple[str, Deferred]], shut_out: tuple[str, ...], quiet_s: float
) -> Deferred:
    """Return why nothing was sent, and for how long nothing will be unless a carrier can tell."""
    _, first = open_[0]
    if shut_out or quiet_s <= 0:
        return first
    return replace(first, after=timedelta(seconds=quiet_s))
