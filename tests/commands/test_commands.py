"""Commands: a true state, in order, until acknowledged, across links and restarts."""

from __future__ import annotations

import asyncio
import random
import sys

import pytest

from gateway.commands import AnswerTo
from gateway.errors import (
    Conflict,
    Forbidden,
    Invalid,
    InvalidTopic,
    NoReply,
    NotFound,
    TooLarge,
    TooMany,
    Unavailable,
)
from tests.rig import Clock, FakeLink, Rig, running


@pytest.fixture
async def rig(tmp_path):
    """A running core."""
    async with running(tmp_path / "a.db") as made:
        yield made


async def send(rig: Rig, value: object = 1, name: str = "led", **options):
    """Send a command to the kitchen."""
    return await rig.commands.send("kitchen", name, str(value), sender="user:1", **options)


def connect(rig: Rig, link: FakeLink) -> FakeLink:
    """Bring a link up, listening."""
    rig.presence.connected(link)
    rig.commands.ready(link.device)
    return link


async def states(rig: Rig, command_id: str | None = None) -> list[str]:
    """Return the states that were told, of all commands or of one."""
    return [f["state"] for f in await rig.frames("command") if command_id in {None, f["id"]}]


async def test_a_command_s_whole_life(rig):
    """Queued while offline, sent on return, delivered by the acknowledgement, replied by the
    reply.
    """
    command = await send(rig)
    assert (await rig.commands.get(command.id)).state == "queued"
    link = connect(rig, FakeLink())
    await rig.stored()
    assert (await rig.commands.get(command.id)).state == "sent"
    link.acknowledge()
    await rig.stored()
    assert (await rig.commands.get(command.id)).state == "delivered"
    await rig.intake.store(rig.commands.replied("kitchen", "led", '"on"', None, rig.clock()))
    stored = await rig.commands.get(command.id)
    assert (stored.state, stored.reply) == ("replied", '"on"')
    assert stored.json() == (
        b'{"id":"%s","device":"kitchen","name":"led","state":"replied","value":1,"reply":"on"}'
        % command.id.encode()
    )
    assert await states(rig) == ["queued", "sent", "delivered", "replied"]
    frames = await rig.frames("reply")
    assert [(f["channel"], f["value"], f["id"]) for f in frames] == [("led", "on", command.id)]


async def test_a_command_frame_is_the_contract_s(rig):
    """Channel is the name, value what was sent; id and state follow."""
    command = await send(rig, '{"r": 1}')
    (frame,) = await rig.frames("command")
    expected = {"channel": "led", "value": {"r": 1}, "id": command.id, "state": "queued"}
    assert frame.items() >= expected.items()
    assert list(frame) == ["type", "seq", "device", "channel", "ts", "value", "id", "state"]


async def test_sending_is_not_delivering(rig):
    """What the device did not acknowledge is not delivered, and goes again over the next link."""
    command = await send(rig)
    lost = connect(rig, FakeLink())
    rig.presence.disconnected(lost, "lost")
    assert (await rig.commands.get(command.id)).state != "delivered"
    back = connect(rig, FakeLink())
    assert [c.id for c in back.got] == [command.id]
    back.acknowledge()
    assert await states(rig) == ["queued", "sent", "delivered"]


async def test_order_holds_across_links(rig):
    """After a reconnect all goes on from the oldest unacknowledged one."""
    for value in range(40):
        await send(rig, value)
    first = connect(rig, FakeLink())
    assert first.values == list(range(16))  # the window
    first.acknowledge()
    first.acknowledge()
    assert first.values == list(range(18))
    rig.presence.disconnected(first, "lost")
    second = connect(rig, FakeLink())
    assert second.values == list(range(2, 18))
    while second.acks:
        second.acknowledge()
    assert second.values == list(range(2, 40))


async def test_a_link_without_room_gets_the_rest_later(rig):
    """What did not leave is tried again by the next acknowledgement and by the sweep."""
    link = connect(rig, FakeLink(room=2))
    for value in range(4):
        await send(rig, value)
    assert link.values == [0, 1]
    link.room = 1
    link.acknowledge()
    assert link.values == [0, 1, 2]
    link.room = 1
    rig.commands.sweep()
    assert link.values == [0, 1, 2, 3]


async def test_a_name_without_a_listener_holds_up_no_other(rig):
    """A device that listens to some names only gets those; the others wait for a subscription."""
    link = FakeLink()
    link.deaf.add("fan")
    connect(rig, link)
    await send(rig, 1, "fan")
    await send(rig, 2, "led")
    assert link.values == [2]
    link.deaf.clear()
    rig.commands.ready("kitchen")
    assert link.values == [2, 1]


async def test_a_newer_link_gets_what_an_older_one_sits_on(rig):
    """A half-open connection that has not been noticed yet delays nothing."""
    await send(rig, 1)
    dead = connect(rig, FakeLink())
    await send(rig, 2)
    alive = connect(rig, FakeLink())
    assert dead.values == alive.values == [1, 2]
    await send(rig, 3)
    assert alive.values == [1, 2, 3]
    assert dead.values == [1, 2]


async def test_a_further_subscription_sends_nothing_twice(rig):
    """`ready` on the link that is in use leaves what is under way alone."""
    link = connect(rig, FakeLink())
    await send(rig)
    rig.commands.ready("kitchen")
    assert link.values == [1]


async def test_a_link_that_acknowledges_at_once(rig):
    """The states come in order also where the acknowledgement runs inside the sending."""
    link = FakeLink()
    link.at_once = True
    connect(rig, link)
    command = await send(rig)
    assert await states(rig, command.id) == ["queued", "sent", "delivered"]


async def test_another_broker_is_handed_a_command_once(rig):
    """Where nobody acknowledges, a command stays sent until it is answered."""
    link = connect(rig, FakeLink(acknowledges=False))
    command = await send(rig)
    rig.commands.sweep()
    rig.commands.ready("kitchen")
    assert link.values == [1]
    await rig.intake.store(rig.commands.replied("kitchen", "led", "2", None, rig.clock()))
    assert await states(rig, command.id) == ["queued", "sent", "replied"]


async def test_what_can_never_be_sent_fails(rig):
    """A link's refusal fails that one command, with its reason, and a fault of the bridge no other
    either.
    """
    link = connect(rig, FakeLink())
    link.refuses = TooLarge("above the device's packet size")
    one = await send(rig)
    link.refuses = ValueError("a bug")
    two = await send(rig)
    link.refuses = None
    three = await send(rig)
    assert await states(rig, one.id) == ["queued", "failed"]
    assert await states(rig, two.id) == ["queued", "failed"]
    assert [c.id for c in link.got] == [three.id]
    assert b'"error":"above the device\'s packet size"' in (await rig.commands.get(one.id)).json()


async def test_past_its_time_a_command_expires(rig):
    """It is not sent any more, and a late acknowledgement does not change what was told."""
    await send(rig, 1, ttl=10)
    second = await send(rig, 2, ttl=20)
    rig.clock.forward(15)
    rig.commands.sweep()
    link = connect(rig, FakeLink())
    assert link.values == [2]
    rig.clock.forward(5)
    rig.commands.sweep()
    link.acknowledge()
    assert await states(rig, second.id) == ["queued", "sent", "expired"]
    assert rig.commands.waiting("kitchen") == 0


async def test_a_delivered_command_does_not_expire(rig):
    """When its time is over it stays delivered; only a reply is no longer expected."""
    link = connect(rig, FakeLink())
    command = await send(rig, ttl=10)
    link.acknowledge()
    rig.clock.forward(11)
    rig.commands.sweep()
    assert await states(rig, command.id) == ["queued", "sent", "delivered"]
    assert [
        entry[3] for entry in rig.commands.replied("kitchen", "led", "1", None, rig.clock())
    ] == [""]


async def test_a_reply_answers_the_oldest_of_its_name(rig):
    """Without correlation the order counts, and what was not sent cannot be answered."""
    link = connect(rig, FakeLink(room=2))
    one, two, three = [await send(rig, value) for value in (1, 2, 3)]
    other = await send(rig, 4, "fan")
    link.acknowledge()
    for value in "abcd":
        await rig.intake.store(
            rig.commands.replied("kitchen", "led", f'"{value}"', None, rig.clock())
        )
    replies = [(await rig.commands.get(c.id)).reply for c in (one, two, three, other)]
    assert replies == ['"a"', '"b"', None, None]
    assert [f.get("id") for f in await rig.frames("reply")] == [one.id, two.id, None, None]


async def test_correlation_answers_exactly(rig):
    """With it only the command that it names; what names none, or another device's, answers
    none.
    """
    connect(rig, FakeLink())
    await send(rig, 1)
    two = await send(rig, 2)
    reply = rig.commands.replied
    await rig.intake.store(reply("kitchen", "led", "7", two.id.encode(), rig.clock()))
    assert (await rig.commands.get(two.id)).reply == "7"
    for device, correlation in (
        ("kitchen", two.id.encode()),
        ("kitchen", b"\xff\x00"),
        ("hall", two.id.encode()),
    ):
        assert len(reply(device, "led", "8", correlation, rig.clock())) == 1


async def test_wait_answers_with_the_reply(rig):
    """The waiter gets the reply's JSON once it is stored; who comes later gets it at once."""
    connect(rig, FakeLink())
    command = await send(rig)
    waiting = asyncio.create_task(rig.commands.wait(command.id, 60))
    await asyncio.sleep(0)
    await rig.intake.store(rig.commands.replied("kitchen", "led", '{"a":1}', None, rig.clock()))
    assert await waiting == '{"a":1}'
    assert await rig.commands.wait(command.id, 0) == '{"a":1}'


async def test_a_wait_that_runs_out_names_the_command(rig):
    """The error carries the id, to ask later, and the state."""
    command = await send(rig)
    with pytest.raises(NoReply, match=command.id) as caught:
        await rig.commands.wait(command.id, 0)
    assert caught.value.fields == {"command": command.id, "state": "queued"}
    with pytest.raises(NotFound):
        await rig.commands.wait("nothing", 0)


async def test_a_wait_ends_when_no_reply_can_come(rig):
    """Who waits for a command that expires is told so then."""
    command = await send(rig, ttl=5)
    waiting = asyncio.create_task(rig.commands.wait(command.id, 3600))
    await asyncio.sleep(0)
    rig.clock.forward(5)
    rig.commands.sweep()
    with pytest.raises(NoReply, match="expired"):
        await waiting


async def test_a_key_of_any_bytes_costs_the_batch_nothing(rig):
    """A header's bytes that are no UTF-8 arrive as lone surrogates."""
    sent = await send(rig, idempotency_key="\udcff")
    assert (await rig.commands.get(sent.id)).idempotency_key == "\ufffd"
    assert (await send(rig, idempotency_key="\udcff")).id == sent.id


async def test_a_key_sends_once(rig, tmp_path):
    """The same key gives the same command, also while the first is being stored; another command is
    a conflict.
    """
    link = connect(rig, FakeLink())
    one, two = await asyncio.gather(send(rig, idempotency_key="k"), send(rig, idempotency_key="k"))
    assert one.id == two.id
    assert link.values == [1]
    with pytest.raises(Conflict, match=one.id):
        await send(rig, 2, idempotency_key="k")
    other = await rig.commands.send("kitchen", "led", "1", sender="user:2", idempotency_key="k")
    assert other.id != one.id


async def test_a_restart_goes_on_where_it_was(tmp_path):
    """What was not acknowledged is sent again in order, what was may be answered, and keys still
    send once.
    """
    async with running(tmp_path / "a.db") as rig:
        link = connect(rig, FakeLink())
        ids = [(await send(rig, value, idempotency_key=str(value))).id for value in range(3)]
        link.acknowledge()
    async with running(tmp_path / "a.db") as rig:
        link = connect(rig, FakeLink())
        assert link.values == [1, 2]
        assert (await send(rig, 0, idempotency_key="0")).id == ids[0]
        await rig.intake.store(rig.commands.replied("kitchen", "led", "9", None, rig.clock()))
        assert (await rig.commands.get(ids[0])).reply == "9"
        link.acknowledge()
        assert await states(rig, ids[1]) == ["queued", "sent", "delivered"]


async def test_what_was_cut_short_while_stored_is_not_lost(rig):
    """A sender that goes away in the middle does not take its command along."""
    link = connect(rig, FakeLink())
    task = asyncio.create_task(send(rig))
    await asyncio.sleep(0)
    task.cancel()
    await rig.stored()
    assert link.values == [1]


async def test_a_full_queue_is_a_clear_error(rig):
    """A thousand wait for a device at most, and not more than some megabytes."""
    for value in range(1_000):
        rig.commands.submit("kitchen", "led", str(value), sender="user:1")
    with pytest.raises(TooMany, match="1000 commands wait for kitchen"):
        await send(rig)
    assert rig.commands.waiting("kitchen") == 1_000
    big = '"' + "x" * 200_000 + '"'
    for _ in range(20):
        rig.commands.submit("hall", "led", big, sender="user:1")
    with pytest.raises(TooMany):
        rig.commands.submit("hall", "led", big, sender="user:1")


async def test_wrong_commands_are_refused(rig):
    """Unknown devices, bad names, bad times and huge values are errors of their own, and leave
    nothing behind.
    """
    with pytest.raises(NotFound, match="nowhere"):
        await rig.commands.send("nowhere", "led", "1", sender="user:1")
    with pytest.raises(InvalidTopic):
        await send(rig, 1, "a/#")
    for ttl in (0, -1, float("nan"), float("inf")):
        with pytest.raises(Invalid):
            await send(rig, ttl=ttl)
    with pytest.raises(TooLarge):
        await send(rig, '"' + "x" * 300_000 + '"')
    rig.intake.refusal = "disk full"
    with pytest.raises(Unavailable, match="disk full"):
        await send(rig)
    rig.intake.refusal = None
    assert await rig.frames("command") == []
    assert rig.commands.waiting("kitchen") == 0


async def test_the_sending_device_is_told_the_reply(rig):
    """Its link gets the answer once the reply is stored, with what the request asked for."""
    connect(rig, FakeLink())
    sender = connect(rig, FakeLink("hall"))
    answer_to = AnswerTo("hall", "replies/here", b"\x00\x01")
    command = await send(rig, answer_to=answer_to)
    entries = rig.commands.replied("kitchen", "led", "5", None, rig.clock())
    assert sender.answered == []
    await rig.intake.store(entries)
    assert [(c.id, c.reply, c.answer_to) for c in sender.answered] == [(command.id, "5", answer_to)]
    assert (await rig.commands.get(command.id)).answer_to == answer_to


async def test_a_removed_device_s_commands_fail(rig):
    """Nothing waits for it any more, who waits for a reply is told, and the rows say what became of
    them.
    """
    command = await send(rig)
    waiting = asyncio.create_task(rig.commands.wait(command.id, 3600))
    await asyncio.sleep(0)
    rig.commands.forget("kitchen")
    with pytest.raises(NoReply, match="failed"):
        await waiting
    assert (await rig.commands.get(command.id)).error == "the device was removed"
    assert connect(rig, FakeLink()).got == []


async def test_a_device_removed_while_the_gateway_was_off(tmp_path):
    """What waited for it has failed at the next start, and makes no frame."""
    async with running(tmp_path / "a.db") as rig:
        command = await send(rig, ttl=10)
    async with running(tmp_path / "a.db", devices=()) as rig:
        await rig.stored()
        assert (await rig.commands.get(command.id)).state == "failed"
        rig.clock.forward(11)
        rig.commands.sweep()
        assert await states(rig) == ["queued"]


async def test_old_commands_are_removed_unfinished_ones_stay(rig):
    """Prune takes what is older than is kept and past its time."""
    link = FakeLink(room=1)
    connect(rig, link)
    old = await send(rig, ttl=10)
    link.acknowledge()
    waiting = await send(rig, 2, ttl=10 * 86_400)
    rig.clock.forward(3_601 + 10)
    rig.commands.sweep()
    await rig.stored()
    await rig.commands.prune()
    with pytest.raises(NotFound):
        await rig.commands.get(old.id)
    assert (await rig.commands.get(waiting.id)).state == "queued"


async def test_a_cut_off_link_changes_no_state(rig):
    """Closing a link leaves what waits for the device in its queue."""
    await send(rig)
    for link in rig.presence.links("kitchen"):
        link.close(Forbidden("no more"))
    assert await states(rig) == ["queued"]


async def test_kill_9_between_commands(tmp_path):
    """Whenever the gateway is killed: nothing taken is lost, nothing unacknowledged is delivered,
    and order holds.
    """
    path, dice = tmp_path / "a.db", random.Random(9)
    taken, acknowledged, arrived = set(), set(), {}  # the last: in order of first arrival
    for round_ in range(4):
        lines = await killed(path, first=round_ * 1_000, after=dice.randint(50, 700))
        taken |= {value for word, value in lines if word == "taken"}
        acknowledged |= {value for word, value in lines if word == "acknowledged"}
        arrived |= {
            value: None for word, value in lines if word == "arrived" and value not in arrived
        }
        async with running(path) as rig:
            state = {f["value"]: f["state"] for f in await rig.frames("command")}
            assert taken <= state.keys()
            assert {value for value, name in state.items() if name == "delivered"} <= acknowledged
    async with running(path) as rig:
        link = connect(rig, FakeLink())
        while link.acks:
            link.acknowledge()
        arrived |= {value: None for value in link.values if value not in arrived}
        state = {f["value"]: f["state"] for f in await rig.frames("command")}
        assert set(state.values()) == {"delivered"}
        assert list(arrived) == sorted(state)


async def killed(path, *, first: int, after: int) -> list[tuple[str, int]]:
    """Run `tests.command_child` on a database, kill it after so many lines, and return all that it
    wrote.
    """
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.command_child",
        str(path),
        str(first),
        stdout=asyncio.subprocess.PIPE,
    )
    lines = [await child.stdout.readline() for _ in range(after)]
    child.kill()
    rest, _ = await child.communicate()
    whole = [
        line.split() for line in (*lines, *rest.splitlines(keepends=True)) if line.endswith(b"\n")
    ]
    return [(word.decode(), int(value)) for word, value in whole]


@pytest.mark.parametrize("seed", range(5))
async def test_a_device_that_comes_and_goes_at_random(tmp_path, seed):
    """Each is delivered at least once, in order, with a true state, across restarts."""
    dice = random.Random(seed)
    clock, acknowledged, first_seen = Clock(), set(), []
    sent = 0
    for _ in range(6):
        async with running(tmp_path / "a.db", clock) as rig:
            link = None
            for _ in range(60):
                step = dice.random()
                if step < 0.5 and sent < 100:
                    await send(rig, sent)
                    sent += 1
                elif link is None:
                    link = connect(rig, FakeLink(room=dice.randint(0, 30)))
                elif step < 0.85 and link.acks:
                    acknowledged.add(link.values[-len(link.acks)])
                    link.acknowledge()
                else:
                    rig.presence.disconnected(link, "lost")
                    first_seen += [v for v in dict.fromkeys(link.values) if v not in first_seen]
                    link = None
            if link is not None:
                rig.presence.disconnected(link, "lost")
                first_seen += [v for v in dict.fromkeys(link.values) if v not in first_seen]
            await rig.stored()
            state = {f["value"]: f["state"] for f in await rig.frames("command")}
            assert {value for value, name in state.items() if name == "delivered"} == acknowledged
    async with running(tmp_path / "a.db", clock) as rig:
        link = connect(rig, FakeLink())
        while link.acks:
            link.acknowledge()
        first_seen += [v for v in link.values if v not in first_seen]
        state = {f["value"]: f["state"] for f in await rig.frames("command")}
        assert first_seen == list(range(sent))
        assert set(state.values()) == {"delivered"}


async def test_a_cancelled_command_never_leaves(rig):
    """It has failed, stored and told; what comes after it leaves in its turn."""
    first, second = await send(rig, 1), await send(rig, 2)
    assert rig.commands.unfinished("kitchen") == [first, second]
    cancelled = await rig.commands.cancel(first.id)
    assert (cancelled.state, cancelled.error) == ("failed", "cancelled")
    assert (await rig.commands.get(first.id)).state == "failed"
    assert rig.commands.unfinished("kitchen") == [second]
    assert connect(rig, FakeLink()).values == [2]
    assert await states(rig, first.id) == ["queued", "failed"]


async def test_a_cancelled_command_that_was_sent_may_have_arrived(rig):
    """It goes over no later link, and its error says what is not known."""
    lost = connect(rig, FakeLink())
    command = await send(rig)
    assert command.state == "sent"
    rig.presence.disconnected(lost, "lost")
    assert (await rig.commands.cancel(command.id)).error == "cancelled, and may have arrived"
    assert connect(rig, FakeLink()).got == []


async def test_too_late_to_cancel(rig):
    """What was acknowledged, or is past its time, or is not there, is not cancelled."""
    link = connect(rig, FakeLink())
    done, old = await send(rig), await send(rig, ttl=1)
    link.acknowledge()
    rig.clock.forward(2)
    for command in (done, old):
        with pytest.raises(Conflict, match="too late"):
            await rig.commands.cancel(command.id)
    with pytest.raises(NotFound):
        await rig.commands.cancel("nothing")
