"""Topics that are followed: read once for all, as seldom as may be, and never queued."""

import asyncio
import json
from contextlib import AsyncExitStack, aclosing

import pytest

from consoles import console_of, page_of
from engines import until
from outlive.api import application, hub
from outlive.api.hub import Hub
from outlive.api.pulse import Watch
from outlive.api.topic import Argument, Topic
from outlive.api.views import TurnView
from outlive.app import App
from outlive.client import Client
from outlive.errors import BatchUnknown, EngineUnavailable, LedgerError, UsageError
from outlive.settings import Settings


class Source:
    """A topic whose state the test sets, and which counts how often it is read."""

    def __init__(self, name: str = "source", **options) -> None:
        self.reads: list[str] = []
        self.at_once = self.most_at_once = 0
        self.state: TurnView | Exception = TurnView(turn=1)
        self.topic = Topic(name=name, read=self.read, argument=Argument.OPTIONAL, **options)

    async def read(self, _, argument):
        self.reads.append(argument)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        if isinstance(self.state, Exception):
            raise self.state
        return self.state


@pytest.fixture
async def client(tmp_path):
    async with Client(Settings(home=tmp_path / ".outlive")) as client:
        yield client


@pytest.fixture
def hub_of(client):
    def make(*sources, **options):
        return Hub(client, [source.topic for source in sources], **options)

    return make


class Engine:
    """Whether the engine answers: the test says so."""

    is_away = False

    async def ask(self):
        if self.is_away:
            raise EngineUnavailable("It is away.")


@pytest.fixture
def engine(monkeypatch):
    engine = Engine()
    monkeypatch.setattr(Watch, "_ask_engine", engine.ask)
    return engine


async def seen(frames, *names):
    """Return the next frame that is none of the pulse."""
    while True:
        frame = await asyncio.wait_for(anext(frames), 30)
        if frame.event in names:
            return frame


async def test_fifty_pages_that_look_at_one_topic_cost_one_read_each_time(hub_of):
    source = Source()
    hub = hub_of(source, pause=0.01)

    async with aclosing(hub), AsyncExitStack() as stack:
        pages = [await stack.enter_async_context(aclosing(hub.follow(["source"]))) for _ in range(50)]
        first = await asyncio.gather(*(seen(page, "source") for page in pages))
        source.state = TurnView(turn=2)
        second = await asyncio.gather(*(seen(page, "source") for page in pages))

    assert {frame.data for frame in first} == {b'{"turn":1}'}
    assert {frame.data for frame in second} == {b'{"turn":2}'}
    assert source.most_at_once == 1


async def test_a_topic_is_read_at_most_every_second_whoever_comes_and_goes(hub_of):
    source = Source()
    hub = hub_of(source)  # with its own pause of a second

    async with aclosing(hub):
        for _ in range(20):
            async with aclosing(hub.follow(["source"])) as page:
                await seen(page, "source")

    assert len(source.reads) == 1


async def test_nothing_is_read_where_nobody_looks(hub_of):
    source = Source()
    hub = hub_of(source, pause=0.01)

    async with aclosing(hub):
        async with aclosing(hub.follow(["source"])) as page:
            await seen(page, "source")
        reading = hub._sources["source"].task
        await until(lambda: not hub._sources, "reading has ended")
        count = len(source.reads)
        await reading

    assert len(source.reads) == count


async def test_a_page_that_comes_back_gets_what_has_changed_also_from_another_process(hub_of):
    first, second = Source("first"), Source("second")
    before, after = hub_of(first, second, pause=0.01), hub_of(first, second, pause=0.01)

    async with aclosing(before), aclosing(before.follow(["first", "second"])) as page:
        frames = {frame.event: frame for frame in [await seen(page, "first", "second") for _ in range(2)]}
        last_id = list(frames.values())[-1].id
    second.state = TurnView(turn=7)
    async with aclosing(after), aclosing(after.follow(["first", "second"], last_id)) as page:
        changed = await seen(page, "first", "second")
        first.state = TurnView(turn=8)
        later = await seen(page, "first", "second")

    assert (changed.event, changed.data) == ("second", b'{"turn":7}')
    assert (later.event, later.data) == ("first", b'{"turn":8}')


async def test_a_topic_that_can_tell_what_has_changed_sends_that_alone(hub_of):
    def since(_, state, mark):
        return TurnView(turn=state.turn - int(mark))

    source = Source(mark=lambda state: str(state.turn), since=since)
    source.state = TurnView(turn=10)
    hub = hub_of(source, pause=0.01)

    async with aclosing(hub), aclosing(hub.follow(["source"])) as page:
        whole = await seen(page, "source")
        source.state = TurnView(turn=13)
        change = await seen(page, "source")

    assert (whole.data, change.data) == (b'{"turn":10}', b'{"turn":3}')


@pytest.mark.parametrize("last_id", ["", "x", "bm8=", "W10=", "eyJzb3VyY2UiOiA1fQ==", "\u00e9", "W1tb" * 30_000])
async def test_an_id_that_was_not_made_here_gets_the_whole(hub_of, last_id):
    source = Source()
    hub = hub_of(source)

    async with aclosing(hub), aclosing(hub.follow(["source"], last_id)) as page:
        assert (await seen(page, "source")).data == b'{"turn":1}'


async def test_what_is_wrong_with_a_topic_is_said_once_and_its_state_comes_again_when_it_is_well(hub_of):
    bad, good = Source("bad"), Source("good")
    bad.state = BatchUnknown("There is no batch 'x'.")
    hub = hub_of(bad, good, pause=0.01)

    async with aclosing(hub), aclosing(hub.follow(["bad:x", "good"])) as page:
        wrong = json.loads((await seen(page, "problem")).data)
        await until(lambda: len(bad.reads) > 3, "it is read again")
        bad.state = ValueError("a secret")
        fault = json.loads((await seen(page, "problem")).data)
        bad.state = TurnView(turn=1)
        state = await seen(page, "problem", "bad:x")

    assert (wrong["topic"], wrong["status"], wrong["error"]) == ("bad:x", 404, "BatchUnknown")
    assert (fault["status"], "secret" in json.dumps(fault)) == (500, False)
    assert state.event == "bad:x"


async def test_an_engine_that_is_away_leaves_what_was_seen_last_and_the_pulse_says_so(hub_of):
    source = Source()
    hub = hub_of(source, pause=0.01)

    async with aclosing(hub), aclosing(hub.follow(["source"])) as page:
        await seen(page, "source")
        source.state = EngineUnavailable("away")
        pulses = [json.loads((await seen(page, "pulse", "problem", "source")).data) for _ in range(2)]

    assert pulses[-1]["engine"] == "away"  # this project has no engine at all
    assert pulses[-1]["away_since"]


async def test_a_topic_is_read_at_once_when_the_engine_is_back_however_long_it_waited_for_it(
    hub_of, engine, monkeypatch
):
    monkeypatch.setattr(hub, "PAUSE_FACTOR", 1e9)
    monkeypatch.setattr(hub, "LONGEST_PAUSE", 1e9)
    source = Source()
    source.state, engine.is_away = EngineUnavailable("It is away."), True
    pages = hub_of(source, pause=0.01)

    async with aclosing(pages), aclosing(pages.follow(["source"])) as page:
        while json.loads((await seen(page, "pulse", "source")).data)["engine"] != "away":
            pass
        source.state, engine.is_away = TurnView(turn=1), False
        state = await seen(page, "source")

    assert state.data == b'{"turn":1}'


async def test_a_topic_that_cannot_be_read_though_all_answer_is_told(hub_of, engine, monkeypatch):
    monkeypatch.setattr(hub, "ANSWER_SECONDS", 0.0)
    monkeypatch.setattr(hub, "LOOK_SECONDS", 0.0)
    source = Source()
    pages = hub_of(source, pause=0.01)

    async with aclosing(pages), aclosing(pages.follow(["source"])) as page:
        await seen(page, "source")
        source.state = LedgerError("The ledger refused: it is locked.")
        wrong = await seen(page, "problem")
        source.state = TurnView(turn=1)
        last_id = wrong.id
        well = await seen(page, "source")
    async with aclosing(pages), aclosing(pages.follow(["source"], last_id)) as page:
        again = await seen(page, "source")

    assert (json.loads(wrong.data)["status"], "it is locked" in json.loads(wrong.data)["detail"]) == (504, True)
    assert well.data == again.data == b'{"turn":1}'  # the same as before, and yet it comes again


async def test_topics_that_cannot_be_are_refused(hub_of):
    needs, takes_none = Source("needs"), Source("none")
    needs.topic = Topic(name="needs", read=needs.read, argument=Argument.NEEDED)
    takes_none.topic = Topic(name="none", read=takes_none.read)
    hub = hub_of(needs, takes_none)

    assert hub.check(["needs:x:y", "none", "", "none"]) == ["needs:x:y", "none"]
    for names in (["unknown"], ["needs"], ["needs:"], ["none:x"], [f"needs:{n}" for n in range(17)]):
        with pytest.raises(UsageError):
            hub.check(names)


async def test_a_page_that_is_slow_holds_nobody_up_and_gets_the_newest_state(tmp_path, monkeypatch):
    size, rounds = 2_000_000, 10

    class Padded(TurnView):
        padding: str = "x" * size

    source = Source()
    source.state = Padded(turn=0)
    monkeypatch.setattr(application, "TOPICS", (source.topic,))
    monkeypatch.setattr(Hub.__init__, "__kwdefaults__", {"pause": 0.01})

    async with (
        console_of(App("shop"), Settings(home=tmp_path / ".outlive")) as url,
        page_of(url) as quick_page,
        page_of(url) as slow_page,
        slow_page.live("source") as slow,
        quick_page.live("source") as quick,
    ):
        turns = [json.loads((await quick.next("source"))["data"])["turn"]]
        for turn in range(1, rounds + 1):
            source.state = Padded(turn=turn)
            turns.append(json.loads((await quick.next("source"))["data"])["turn"])
        slow_turns = []
        while not slow_turns or slow_turns[-1] < rounds:
            slow_turns.append(json.loads((await slow.next("source"))["data"])["turn"])

    assert turns == list(range(rounds + 1))
    assert len(slow_turns) < rounds  # what lay in the sockets, and then the newest: nothing was kept for it
