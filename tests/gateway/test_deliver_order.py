"""A lane, whatever happens to it: one alert at a time about a person, in order, none twice."""

import random
from collections import defaultdict
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.breaker import Breaker, BreakerTerms
from gateway.delivery.lane import WIDTH, Lane, Load
from gateway.model.ids import AlertId, EndpointId, PersonRef
from gateway.store.outbox import Key, OutboxRow
from tests.store.stores import NOW

ENDPOINT = EndpointId("police/webhook")
ROW = OutboxRow(
    alert=AlertId("alt"),
    endpoint=ENDPOINT,
    person=PersonRef("per"),
    channel="webhook",
    form="sealed",
    sealed=b"{}",
    proof="",
    urgent=False,
    exercise=False,
    step=1,
    digest=False,
    key_id=None,
    attempts=0,
    outcome_unknown=False,
    decided_at=NOW,
    next_at=NOW,
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 3), st.sampled_from(["urgent", "", "digest"])),
        st.tuples(st.just("begin"), st.just(0), st.just("")),
        st.tuples(
            st.just("end"),
            st.integers(0, WIDTH),
            st.sampled_from(["answered", "failed", "neither", "deferred"]),
        ),
        st.tuples(st.just("clear"), st.just(0), st.just("")),
        st.tuples(st.just("pass"), st.integers(1, 2000), st.just("")),
    ),
    max_size=120,
)


class Play:
    """A lane, and what it should be holding."""

    def __init__(self) -> None:
        breaker = Breaker(BreakerTerms(failures=3), random.Random(1))
        self.lane = Lane(endpoint=ENDPOINT, breaker=breaker)
        self.held: dict[Key, OutboxRow] = {}
        self.running: list[tuple[Load, bool]] = []
        self.begun: dict[str, list[int]] = defaultdict(list)
        self.now = 0.0
        self._made = 0

    def add(self, person: int, sort: str) -> None:
        self._made += 1
        row = replace(
            ROW,
            alert=AlertId(f"alt_{self._made:04}"),
            person=PersonRef(f"per_{person}"),
            urgent=sort == "urgent",
            digest=sort == "digest",
        )
        self.held[row.key] = row
        if row.digest:
            self.lane.add_digest((row,))
        else:
            self.lane.add(row)

    def begin(self) -> None:
        begun = self.lane.begin(self.now)
        if begun is None:
            return
        self.running.append(begun)
        (row,) = begun[0]
        if not row.digest:
            others = [one[0][0] for one in self.running[:-1] if not one[0][0].digest]
            mine = [one for one in others if one.person == row.person]
            assert all(one.urgent != row.urgent for one in mine), "one at a time about a person"
            running = {one.key for one in mine} | {row.key}
            older = [
                one for one in self.held.values()
                if one.person == row.person and one.key not in running and not one.digest
                and one.alert < row.alert and (one.urgent or not row.urgent)
            ]  # fmt: skip
            assert not older, "the older one goes first; an urgent one waits for no routine one"
            if not row.urgent:
                newer = [one for one in mine if one.alert < row.alert]
                assert not newer, "a routine one waits for an older urgent one"

    def end(self, which: int, sort: str) -> None:
        if not self.running:
            return
        load, probe = self.running.pop(which % len(self.running))
        back, _change = self.lane.ended(
            load,
            "answered" if sort == "deferred" else sort,  # type: ignore[arg-type]
            self.now,
            probe=probe,
            settled={row.key for row in load} if sort == "answered" else (),
        )
        for key in (*back, load[0].key):
            del self.held[key]  # KeyError: something was put back twice

    def clear(self) -> None:
        for key in self.lane.clear():
            del self.held[key]


@given(STEPS)
def test_a_lane_keeps_its_order_and_its_count(steps: list[tuple[str, int, str]]) -> None:
    play = Play()
    for what, number, sort in steps:
        if what == "add":
            play.add(number, sort)
        elif what == "begin":
            play.begin()
        elif what == "end":
            play.end(number, sort)
        elif what == "clear":
            play.clear()
        else:
            play.now += number
        assert play.lane.held == len(play.held)
        assert play.lane.running == len(play.running)
    while play.running:  # nothing is stuck: what is left all gets its turn
        play.end(0, "answered")
    for _ in range(len(play.held) + 1):
        play.now += 1000
        play.begin()
        if play.running:
            play.end(0, "answered")
    assert play.held == {}
    assert play.lane.held == 0
