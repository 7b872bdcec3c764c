"""A receiver that is down, slow and failing, and workers that die in mid-delivery: each event arrives, in order."""

from collections import Counter
from dataclasses import replace

from crash.agents.projects import AgentProject
from engines import until
from outlive.contracts.notifications import Webhook
from outlive.engine.ports import free_port
from outlive.settings import Settings
from receivers import SECRET, Receiver, receiving

RUNS = 6
TROUBLE = {1: 500, 2: "cut", 3: 429, 4: "slow", 5: "take and cut", 7: 503, 9: "take and cut", 11: 302, 13: "cut"}


def telling(project: AgentProject) -> AgentProject:
    """The project, with leave to post to this machine, and little patience."""
    settings: Settings = replace(project.settings, allow_private_addresses=True, notify_longest_pause=0.3)
    project.settings, project.client.settings = settings, settings
    project.added["HOOK"] = SECRET
    return project


async def begin(project: AgentProject, target: Webhook, prompt: str, run: str):
    outbox = project.client.ledger.outbox
    outbox.subscribe(f"agent/actor/{run}", [target])
    return await project.begin("actor", prompt, run)


async def test_each_event_arrives_in_order_through_every_trouble_of_receiver_and_workers(new_project):
    project = telling(await new_project("troubled"))
    receiver = Receiver(behaviour=lambda n: TROUBLE.get(n, 204), headers={"Retry-After": "1"})
    port = free_port()
    target = Webhook(f"http://127.0.0.1:{port}/events", secret="env:HOOK")
    workers = [project.start_worker(), project.start_worker()]
    handles = [await begin(project, target, "Act 1 times.", f"troubled-{n}") for n in range(RUNS)]
    for handle in handles:
        await project.ended(handle)  # nobody is there to be told, and nothing waits for that
    await workers[0].kill()
    async with receiving(receiver, port=port):
        project.start_worker()
        await until(lambda: len({one.event["id"] for one in receiver.taken}) == 2 * RUNS, "all events have come")

    for handle in handles:
        assert receiver.of(handle.workflow_id) == ["started", "completed"]
    repeated = sum(Counter(one.event["id"] for one in receiver.taken).values()) - 2 * RUNS
    assert repeated == list(TROUBLE.values()).count("take and cut")


async def test_what_a_killed_worker_was_delivering_is_delivered_by_another_under_the_same_id(new_project):
    project = telling(await new_project("killed"))
    receiver = Receiver(behaviour=lambda n: "take and hang" if n == 1 else 204)
    async with receiving(receiver):
        first = project.start_worker()
        handle = await begin(project, Webhook(receiver.url, secret="env:HOOK"), "Act 1 times.", "killed")
        await until(lambda: receiver.asked == 1, "the first event is on its way")
        await first.kill()
        project.start_worker()
        await project.ended(handle)
        await until(lambda: len(receiver.taken) == 3, "all events have come")

    first_id, second_id, third_id = (one.event["id"] for one in receiver.taken)
    assert first_id == second_id != third_id
    assert receiver.of(handle.workflow_id) == ["started", "completed"]
