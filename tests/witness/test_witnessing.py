"""The gateway's loop: quorums met and missed, and a log that is behind, forked, or lied about."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web

from gateway.channels.addresses import BadAddress
from gateway.channels.http_client import GuardedClient
from gateway.disclosure_log.checkpoint import parse_checkpoint, verify_checkpoint
from gateway.disclosure_log.cosignature import CosigningKey
from gateway.disclosure_log.note import parse_note, parse_signatures
from gateway.disclosure_log.trust_policy import BadPolicy, TrustPolicy
from gateway.store import witnessed
from gateway.store.store import Store
from gateway.witness.request import SIZE_TYPE, parse
from gateway.witness.witness import Witness
from gateway.witnessing import Witnessing
from tests.disclosure_log.serving import running
from tests.store.stores import LOG_KEY, body, logging, opened
from tests.witness.stage import AT, Log, client, keys_of, made, policy_text, serving

OURS = Log(0, key=LOG_KEY)
DEAD = "http://127.0.0.1:9"  # nobody listens on the discard port


@dataclass(slots=True, kw_only=True)
class Told:
    """What a loop told, and whom."""

    incidents: list[tuple[str, str]] = field(default_factory=list)
    behind: list[int] = field(default_factory=list)
    forked: list[int] = field(default_factory=list)
    ahead: timedelta = timedelta()

    async def on_behind(self, size: int) -> None:
        self.behind.append(size)

    async def on_forked(self, size: int) -> None:
        self.forked.append(size)

    def now(self) -> datetime:
        return AT + self.ahead


def loop(store: Store, policy: str, asking: GuardedClient, told: Told) -> Witnessing:
    return Witnessing(
        store=store,
        policy=TrustPolicy.parse(policy),
        log_keys=lambda: [LOG_KEY.verifier_key],
        client=asking,
        now=told.now,
        report=lambda code, subject: told.incidents.append((code, subject)),
        every_s=1,
        stale_after_s=600,
        on_behind=told.on_behind,
        on_forked=told.on_forked,
    )


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with opened(tmp_path / "throughgate.db") as made_here:
        yield made_here


@pytest.fixture
async def asking() -> AsyncIterator[GuardedClient]:
    async with client() as made_here:
        yield made_here


def witness_at(folder: Path, number: int = 1) -> Path:
    where = folder / f"witness-{number}"
    made(where, OURS, name=f"witness.example/{number}").close()
    return where


async def grow(store: Store, count: int = 1) -> int:
    await store.commit(logging(*(body() for _ in range(count))))
    return parse_checkpoint(store.latest_checkpoint() or "").size


def newest(store: Store) -> int:
    found = witnessed.newest(store.reader)
    return found[0] if found else 0


async def test_as_the_log_grows_its_newest_checkpoint_is_witnessed(
    store: Store, asking: GuardedClient, tmp_path: Path
) -> None:
    folder = witness_at(tmp_path)
    async with serving(folder) as url:
        told = Told()
        policy = policy_text([(url, folder)], threshold="all")
        it = loop(store, policy, asking, told)
        assert not await it.look()  # nothing to witness yet
        for count in (1, 1, 300, 7):
            size = await grow(store, count)
            assert await it.look()
            assert newest(store) == size
        # A gateway that starts anew learns from the witness what it knows.
        size = await grow(store)
        assert await loop(store, policy, asking, told).look()
        assert newest(store) == size
    note = (witnessed.newest(store.reader) or (0, ""))[1]
    assert verify_checkpoint(note, [LOG_KEY.verifier_key, *keys_of(folder)]).size == size
    assert TrustPolicy.parse(policy).satisfied(note, log_keys=[LOG_KEY.verifier_key])
    assert told == Told()
    assert it.witnesses[0].code == "cosigned"


async def test_witnessing_writes_no_entry_and_asks_once_for_each_checkpoint(
    store: Store, asking: GuardedClient, tmp_path: Path
) -> None:
    folder = witness_at(tmp_path)
    size = await grow(store)
    async with serving(folder) as url:
        it = loop(store, policy_text([(url, folder)], threshold=1), asking, Told())
        assert await it.look()
    assert await it.look()  # the witness is gone, and nothing is asked of it
    assert parse_checkpoint(store.latest_checkpoint() or "").size == size


async def test_two_of_three_are_enough_with_one_dead(
    store: Store, asking: GuardedClient, tmp_path: Path
) -> None:
    folders = [witness_at(tmp_path, number) for number in range(3)]
    async with serving(folders[0]) as first:
        told = Told()
        async with serving(folders[1]) as second:
            listed = list(zip((first, second, DEAD), folders, strict=True))
            it = loop(store, policy_text(listed, threshold=2), asking, told)
            size = await grow(store)
            assert await it.look()
            assert newest(store) == size
        told.ahead += timedelta(minutes=5)
        await grow(store)
        assert not await it.look()  # one alone is not
        assert newest(store) == size
        assert told.incidents == []
        told.ahead += timedelta(minutes=11)
        assert not await it.look()
        assert told.incidents == [("no-quorum", LOG_KEY.origin)]


async def test_a_witness_that_was_away_catches_up_and_its_word_is_added(
    store: Store, asking: GuardedClient, tmp_path: Path
) -> None:
    folders = [witness_at(tmp_path, number) for number in range(2)]
    told = Told()
    async with serving(folders[0]) as first:
        late = web.Application()
        async with running(late) as second:  # answers 404 to everything
            listed = list(zip((first, second), folders, strict=True))
            it = loop(store, policy_text(listed, threshold=1), asking, told)
            await grow(store, 3)
            assert await it.look()
            assert it.witnesses[1].code == "log-unknown"
        policy = it._policy
        before = (witnessed.newest(store.reader) or (0, ""))[1]
        assert policy.cosigned_by(before) == {"w0-ed25519", "w0-ml-dsa-44"}
        async with serving(folders[1]) as second:
            it.witnesses[1].url = second
            told.ahead += timedelta(minutes=2)
            assert await it.look()
        after = (witnessed.newest(store.reader) or (0, ""))[1]
        assert len(policy.cosigned_by(after)) == 4
        assert len(parse_note(after).signatures) == 5


async def test_no_witness_sees_what_the_others_said(
    store: Store, asking: GuardedClient, tmp_path: Path
) -> None:
    folder = witness_at(tmp_path)
    other = CosigningKey.generate("liar.example/1", "ed25519")
    bodies: list[bytes] = []

    async def listens(request: web.Request) -> web.Response:
        bodies.append(await request.read())
        return web.Response(status=503)

    app = web.Application()
    app.add_routes([web.post("/add-checkpoint", listens)])
    told = Told()
    async with serving(folder) as url, running(app) as ear:
        policy = policy_text([(url, folder)], threshold=1).replace(
            "quorum enough", f"witness liar {other.public_key} {ear}\nquorum enough"
        )
        it = loop(store, policy, asking, told)
        await grow(store)
        await it.look()
        told.ahead += timedelta(minutes=2)
        await it.look()
    assert len(bodies) == 2
    for said in bodies:
        assert [name for name, _ in parse(said).note.signatures] == [LOG_KEY.origin]


def lying(answer: Callable[[bytes], web.Response], shown: str | None = None) -> web.Application:
    """Return a witness that answers what it likes, and shows monitors what it likes."""

    async def add(request: web.Request) -> web.Response:
        return answer(await request.read())

    async def show(_request: web.Request) -> web.Response:
        if shown is None:
            raise web.HTTPNotFound
        return web.Response(text=shown)

    app = web.Application()
    app.add_routes([web.post("/add-checkpoint", add), web.get("/{hash}/checkpoint", show)])
    return app


def size_of(size: int) -> web.Response:
    return web.Response(status=409, text=f"{size}\n", headers={"Content-Type": SIZE_TYPE})


@contextlib.asynccontextmanager
async def two_honest_and(
    liar: web.Application, store: Store, asking: GuardedClient, tmp_path: Path, told: Told
) -> AsyncIterator[Witnessing]:
    folders = [witness_at(tmp_path, number) for number in range(3)]
    async with (
        serving(folders[0]) as first,
        serving(folders[1]) as second,
        running(liar) as third,
    ):
        listed = list(zip((first, second, third), folders, strict=True))
        yield loop(store, policy_text(listed, threshold=2), asking, told)


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: size_of(0),
        lambda _: size_of(2**64 - 1),
        lambda _: size_of(4),
        lambda _: web.Response(status=409, text="4"),
        lambda _: web.Response(status=409, text="x" * 100_000),
        lambda _: web.Response(status=422),
        lambda _: web.Response(status=200),
        lambda _: web.Response(status=200, text="\u2014 witness.example/2 AAAAAAAA\n"),
        lambda _: web.Response(status=200, body=b"\xff" * 100_000),
        lambda _: web.Response(status=302, headers={"Location": "http://127.0.0.1:9/"}),
        lambda _: web.Response(status=500),
    ],
    ids=["0", "huge", "moves", "no-newline", "long", "422", "200", "unsigned", "octets",
         "redirect", "500"],
)  # fmt: skip
async def test_one_that_lies_neither_stops_the_log_nor_counts(
    store: Store,
    asking: GuardedClient,
    tmp_path: Path,
    answer: Callable[[bytes], web.Response],
) -> None:
    told = Told()
    async with two_honest_and(lying(answer), store, asking, tmp_path, told) as it:
        size = await grow(store, 9)
        assert await it.look()
    assert newest(store) == size
    assert (told.behind, told.forked) == ([], [])
    note = (witnessed.newest(store.reader) or (0, ""))[1]
    assert {name[:2] for name in it._policy.cosigned_by(note)} == {"w0", "w1"}
    assert it.witnesses[2].code not in {"cosigned", "not-asked"}


async def test_signatures_of_another_checkpoint_or_key_are_not_taken(
    store: Store, asking: GuardedClient, tmp_path: Path
) -> None:
    stranger = CosigningKey.generate("witness.example/2", "ed25519")

    def answer(said: bytes) -> web.Response:
        text = parse(said).note.text
        with contextlib.closing(Witness.open(tmp_path / "witness-2", lambda: AT)) as third:
            ours = third._keys[0]
        wrong = ours.cosign(text.replace("\n9\n", "\n8\n"), at=int(AT.timestamp()))
        return web.Response(text=wrong + stranger.cosign(text, at=int(AT.timestamp())))

    told = Told()
    async with two_honest_and(lying(answer), store, asking, tmp_path, told) as it:
        await grow(store, 9)
        assert await it.look()
        assert it.witnesses[2].code == "bad-cosignature"
    note = (witnessed.newest(store.reader) or (0, ""))[1]
    assert len(parse_note(note).signatures) == 5


async def test_a_bare_word_that_the_log_is_behind_is_an_incident_and_no_more(
    store: Store, asking: GuardedClient, tmp_path: Path
) -> None:
    other = Log(50)  # signed, but not by us
    for shown in (None, "nothing", other.note(50)):
        told = Told()
        folder = tmp_path / str(len(shown or ""))
        folder.mkdir()
        liar = lying(lambda _: size_of(50), shown)
        async with two_honest_and(liar, store, asking, folder, told) as it:
            await grow(store, 3)
            await it.look()
        assert [code for code, _ in told.incidents] == ["log-behind-witness"]
        assert told.incidents[0][1].endswith(" unproven")
        assert told.behind == []


async def test_a_checkpoint_of_our_own_that_we_do_not_have_is_proof_of_being_behind(
    store: Store, asking: GuardedClient, tmp_path: Path
) -> None:
    ours = Log(50, key=LOG_KEY)
    told = Told()
    liar = lying(lambda _: size_of(50), ours.note(50))
    async with two_honest_and(liar, store, asking, tmp_path, told) as it:
        await grow(store, 3)
        await it.look()
    assert told.behind == [50]
    assert told.incidents == [("log-behind-witness", it.witnesses[2].subject)]


async def test_a_quorum_of_words_is_believed(
    store: Store, asking: GuardedClient, tmp_path: Path
) -> None:
    folder = witness_at(tmp_path)
    told = Told()
    async with running(lying(lambda _: size_of(50))) as url:
        it = loop(store, policy_text([(url, folder)], threshold=1), asking, told)
        await grow(store, 3)
        assert not await it.look()
    assert told.behind == [50]


async def test_a_policy_that_can_ask_nobody_enough_is_refused(
    store: Store, asking: GuardedClient, tmp_path: Path
) -> None:
    folder = witness_at(tmp_path)
    good = policy_text([("https://w.example", folder)], threshold=1)
    assert loop(store, good, asking, Told()).witnesses[0].url == "https://w.example"
    for policy in ("quorum none\n", good.replace(" https://w.example", "")):
        with pytest.raises(BadPolicy, match="no-witness"):
            loop(store, policy, asking, Told())
    for url in ("http://w.example", "ftp://w.example", "https://w.example/?q", "http://192.0.2.1"):
        with pytest.raises(BadAddress):
            loop(store, good.replace("https://w.example", url), asking, Told())


async def test_both_keys_of_one_witness_are_asked_for_once_and_are_no_two_witnesses(
    store: Store, asking: GuardedClient, tmp_path: Path
) -> None:
    folder = witness_at(tmp_path)
    async with serving(folder) as url:
        listed = [(url, folder)]
        it = loop(store, policy_text(listed, threshold=1), asking, Told())
        assert [one.names for one in it.witnesses] == [{"w0-ed25519", "w0-ml-dsa-44"}]
        await grow(store)
        assert await it.look()
    note = (witnessed.newest(store.reader) or (0, ""))[1]
    assert len(parse_signatures(note.rpartition("\n\n")[2])) == 3
