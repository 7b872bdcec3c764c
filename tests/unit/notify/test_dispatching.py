"""Delivering what the outbox holds, on both databases: in order, again after failures, and by several workers."""

import asyncio
import json
import time
from collections import Counter
from contextlib import asynccontextmanager

from engines import until
from outlive.contracts.notifications import Occurrence, Webhook
from outlive.errors import DeliveryFailed
from outlive.ledger.ledger import Ledger
from outlive.ledger.outbox import Attempted, NewDelivery
from outlive.notify import dispatching, retrying
from outlive.notify.dispatching import Dispatcher
from outlive.notify.retrying import Schedule

HERE = Webhook("https://here.example", secret=None)
THERE = Webhook("https://there.example", secret=None)
QUICK = Schedule(longest=0.05)


def event(workflow_id: str = "w", number: int = 0, *, lasts: float = 60.0, at: float | None = None) -> NewDelivery:
    return NewDelivery(
        event_id=f"{workflow_id}-{number}",
        workflow_id=workflow_id,
        occurrence=Occurrence.PROGRESS,
        body=json.dumps(number),
        at=time.time() if at is None else at,
        lasts=lasts,
    )


class Recording:
    """Stands for receivers: notes what it is given, and fails where it is told to."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str, int]] = []
        self.fails: Counter[str] = Counter()
        self.hangs: set[str] = set()
        self.tried = 0
        self.at_once: Counter[str] = Counter()
        self.most_at_once: Counter[str] = Counter()

    async def send(self, target, delivery):
        self.tried += 1
        self.at_once[target.url] += 1
        self.most_at_once[target.url] = max(self.most_at_once[target.url], self.at_once[target.url])
        try:
            await asyncio.sleep(3_600 if target.url in self.hangs else 0.001)
            if self.fails[target.url] > 0:
                self.fails[target.url] -= 1
                raise DeliveryFailed("not now")
            self.got.append((target.url, delivery.workflow_id, json.loads(delivery.body)))
        finally:
            self.at_once[target.url] -= 1


@asynccontextmanager
async def delivering(ledger: Ledger, sender: Recording, schedule: Schedule = QUICK):
    dispatcher = Dispatcher(ledger, {"webhook": sender}, schedule)
    running = asyncio.create_task(dispatcher.run())
    try:
        yield dispatcher
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_an_event_that_is_recorded_twice_is_delivered_once_to_each_target(ledger):
    sender = Recording()

    assert ledger.outbox.add(event(), [HERE, THERE]) == 2
    assert ledger.outbox.add(event(), [HERE, THERE]) == 0
    async with delivering(ledger, sender):
        await until(lambda: len(sender.got) == 2, "both have it")
    assert sorted(sender.got) == [(HERE.url, "w", 0), (THERE.url, "w", 0)]


async def test_the_order_of_a_workflow_is_kept_though_attempts_fail_and_two_workers_deliver(ledger):
    sender = Recording()
    sender.fails[HERE.url] = 12
    for number in range(10):
        for workflow_id in ("a", "b", "c"):
            ledger.outbox.add(event(workflow_id, number), [HERE])
    async with delivering(ledger, sender), delivering(ledger, sender):
        await until(lambda: len(sender.got) == 30, "all are delivered")

    for workflow_id in ("a", "b", "c"):
        assert [number for _, found, number in sender.got if found == workflow_id] == list(range(10))


async def test_a_target_that_hangs_holds_up_no_other_and_is_given_no_more_than_its_share(ledger):
    sender = Recording()
    sender.hangs.add(THERE.url)
    for number in range(100):
        ledger.outbox.add(event(f"w{number}"), [THERE, HERE])
    async with delivering(ledger, sender):
        await until(lambda: len(sender.got) == 100, "all that can be are delivered")

    assert {url for url, _, _ in sender.got} == {HERE.url}
    assert sender.most_at_once[THERE.url] <= dispatching.AT_A_TIME


async def test_what_fails_for_too_long_is_parked_and_what_follows_goes_on(ledger):
    sender = Recording()
    sender.fails[HERE.url] = 1
    ledger.outbox.add(event(number=1, lasts=0.0), [HERE])
    ledger.outbox.add(event(number=2), [HERE])
    async with delivering(ledger, sender):
        await until(lambda: len(sender.got) == 1, "the second is delivered")

    assert sender.got == [(HERE.url, "w", 2)]


async def test_what_was_parked_is_listed_with_its_reason_and_sent_again_under_its_id(ledger):
    sender = Recording()
    sender.fails[HERE.url] = 1
    ledger.outbox.add(event(lasts=0.0), [HERE])
    async with delivering(ledger, sender):
        await until(lambda: ledger.deliveries.counts() == {"parked": 1}, "it is given up")
        (parked,) = ledger.deliveries.listed(states=["parked"])
        assert ledger.deliveries.redeliver(None, lasts=60.0) == 1
        await until(lambda: ledger.deliveries.counts() == {"delivered": 1}, "it is delivered")

    assert (parked.error, parked.attempts, parked.target) == ("not now", 1, HERE)
    assert ledger.deliveries.find(parked.number).event_id == parked.event_id == "w-0"
    assert ledger.deliveries.find(parked.number).attempts == 2


async def test_what_was_delivered_is_removed_once_it_is_old_and_what_waits_stays(ledger):
    ledger.outbox.subscribe("w", [HERE])
    ledger.outbox.add(event(number=1), [HERE])
    ledger.outbox.add(event(number=2), [HERE])
    ledger.outbox.settle("x", [Attempted(delivery=ledger.outbox.claim("x", {}, usual=1, most=1, lease=9.0)[0])])
    now = time.time()

    assert ledger.deliveries.remove(now - 60.0) == 0
    assert ledger.deliveries.remove(now + 60.0) == 1
    assert ledger.deliveries.counts() == {"waiting": 1}
    assert ledger.outbox.told(["w"]) == [HERE]


async def test_a_worker_that_stops_hands_back_what_it_had_in_hand(ledger, monkeypatch):
    monkeypatch.setattr(dispatching, "GRACE_SECONDS", 0.0)
    sender = Recording()
    sender.hangs.add(HERE.url)
    ledger.outbox.add(event(), [HERE])
    async with delivering(ledger, sender):
        await until(lambda: sender.at_once[HERE.url] == 1, "it is being sent")
        assert ledger.outbox.claim("other", {}, usual=5, most=5, lease=1.0) == []

    assert len(ledger.outbox.claim("other", {}, usual=5, most=5, lease=1.0)) == 1


async def test_what_a_dead_worker_had_in_hand_is_anothers_once_its_lease_has_ended(ledger):
    ledger.outbox.add(event(), [HERE])
    assert len(ledger.outbox.claim("dead", {}, usual=5, most=5, lease=0.2)) == 1
    assert ledger.outbox.claim("other", {}, usual=5, most=5, lease=60.0) == []

    await until(lambda: len(ledger.outbox.claim("other", {}, usual=5, most=5, lease=60.0)) == 1, "the lease has ended")


async def test_a_late_failure_of_a_worker_that_was_given_up_changes_nothing(ledger):
    ledger.outbox.add(event(), [HERE])
    (late,) = ledger.outbox.claim("late", {}, usual=5, most=5, lease=0.0)
    (again,) = ledger.outbox.claim("other", {}, usual=5, most=5, lease=60.0)
    ledger.outbox.settle("late", [Attempted(delivery=late, error="too late", next_at=None)])
    ledger.outbox.settle("other", [Attempted(delivery=again)])

    assert again.number == late.number
    assert ledger.outbox.claim("third", {}, usual=5, most=5, lease=60.0) == []


async def test_the_room_of_a_target_and_of_all_bounds_what_is_claimed(ledger):
    for number in range(10):
        ledger.outbox.add(event(f"w{number}"), [HERE, THERE])
    keys = {one.target.url: one.target_id for one in ledger.outbox.claim("x", {}, usual=1, most=9, lease=0.0)}

    claimed = ledger.outbox.claim("x", {keys[HERE.url]: 0}, usual=3, most=9, lease=0.0)

    assert [one.target.url for one in claimed] == [THERE.url] * 3
    assert len(ledger.outbox.claim("x", {}, usual=5, most=7, lease=0.0)) == 7


async def test_an_end_closes_a_subscription_and_only_a_new_beginning_opens_it(ledger):
    outbox = ledger.outbox
    outbox.subscribe("w", [HERE])

    def happens(occurrence: Occurrence, event_id: str) -> None:
        outbox.add(
            NewDelivery(event_id=event_id, workflow_id="w", occurrence=occurrence, body="0", at=1.0, lasts=1.0), [HERE]
        )

    happens(Occurrence.STARTED, "1")
    assert outbox.open_among(["w", "v"]) == {"w"}
    happens(Occurrence.CANCELLED, "2")
    happens(Occurrence.STARTED, "1")
    assert outbox.open_among(["w"]) == set()
    happens(Occurrence.STARTED, "3")
    assert outbox.open_among(["w"]) == {"w"}


async def test_many_targets_that_hang_hold_up_no_other(ledger):
    sender = Recording()
    hanging = [Webhook(f"https://hangs.example/{number}", secret=None) for number in range(120)]
    well = [Webhook(f"https://well.example/{number}", secret=None) for number in range(20)]
    sender.hangs = {target.url for target in hanging}
    for number in range(2):  # the second waits behind the first, and is due
        ledger.outbox.add(event(number=number), [*hanging, *well])
    async with delivering(ledger, sender):
        await until(lambda: len(sender.got) == 40, "all that can be are delivered", deadline=10)

    assert {url for url, _, _ in sender.got} == {target.url for target in well}


async def test_what_waited_for_a_target_goes_out_once_it_takes_something_again(ledger, monkeypatch):
    monkeypatch.setattr(retrying, "FIRST_PAUSE", 3_600.0)
    sender = Recording()
    sender.fails[HERE.url] = dispatching.IN_TROUBLE
    for number in range(10):
        ledger.outbox.add(event(f"w{number}"), [HERE])
    async with delivering(ledger, sender, Schedule(longest=3_600.0)):
        await until(lambda: len(sender.got) == 7, "the others have come")
        ledger.outbox.add(event("new"), [HERE])
        await until(lambda: len(sender.got) == 11, "all have", deadline=60)


async def test_one_event_that_fails_again_and_again_waits_though_others_are_taken(ledger, monkeypatch):
    monkeypatch.setattr(retrying, "FIRST_PAUSE", 3_600.0)
    sender = Recording()
    sender.fails[HERE.url] = 1
    ledger.outbox.add(event("poison"), [HERE])
    async with delivering(ledger, sender, Schedule(longest=3_600.0)):
        await until(lambda: sender.tried == 1, "it has failed")
        for number in range(5):
            ledger.outbox.add(event(f"w{number}"), [HERE])
        await until(lambda: len(sender.got) == 5, "the others are taken")

    assert sender.tried == 6


def test_a_success_that_was_under_way_before_a_failure_does_not_end_what_the_receiver_asked_for():
    pressure = dispatching._Pressure(failures=1, failed_at=10.0, resumes_at=70.0)

    assert not pressure.succeeded(began=9.0)
    assert pressure.room(now=11.0) == 0

    pressure.failures = dispatching.IN_TROUBLE
    assert pressure.succeeded(began=71.0)
    assert pressure.room(now=71.0) == dispatching.AT_A_TIME
