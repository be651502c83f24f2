"""The policy: every principal by every action, and no more than the contract grants."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.access.policy import Action, Policy
from gateway.access.principal import Principal, of_claim, of_device, of_session, of_token
from gateway.access.records import Records
from gateway.bridges.mqtt.conventions import gateway
from gateway.bridges.mqtt.routes import Route
from gateway.errors import Forbidden, NotFound, Unauthenticated
from gateway.store.registry import Device, Token, User, WebSession

ANN, BOB, ADA = 1, 2, 3
NOW = 1000


find = gateway.routes([Route("tele/{device}/SENSOR")]).find


def records() -> Records:
    """Ann has kitchen and hall, Bob has shed, nobody has meter and pump, Ada is the admin; Cy is
    disabled.
    """
    found = Records(clock=lambda: NOW)
    for number, name, role in (
        (ANN, "ann", "user"),
        (BOB, "bob", "user"),
        (ADA, "ada", "admin"),
        (4, "cy", "user"),
    ):
        user = User(id=number, email=f"{name}@x", role=role, created=1, disabled=name == "cy")
        found.put("user", str(number), user)
        session = WebSession(id=number, hash=b"s%d" % number, user=number, created=1, expires=5000)
        found.put("session", str(number), session)
    for id_, owner, more in (
        ("kitchen", ANN, {"grants": ("home/+/set", "devices/shed/#")}), ("hall", ANN, {}),
        ("shed", BOB, {}),
        ("meter", None, {"grants": ("devices/shed/telemetry", "home/#")}), ("pump", None, {}),
        ("waiting", None, {"state": "pending"}), ("broken", ANN, {"disabled": True}),
        ("cys", 4, {}),
    ):  # fmt: skip
        found.put(
            "device", id_, Device(id=id_, key_hash=id_.encode() * 8, owner=owner, created=1, **more)
        )
    return found


class World:
    """The records with a principal of each sort."""

    def __init__(self, **options):
        self.records = records()
        self.policy = Policy(self.records, find=find, **options)
        self.numbers = 0

    def device(self, id_: str) -> Principal:
        return of_device(self.records.devices[id_])

    def user(self, number: int) -> Principal:
        return of_session(self.records.sessions[number], self.records.users[number])

    def token(self, number: int, scope, devices=None, expires=None) -> Principal:
        self.numbers += 1
        limit = None if devices is None else frozenset(devices)
        token = Token(
            id=self.numbers,
            hash=b"t%d" % self.numbers,
            user=number,
            scope=scope,
            devices=limit,
            expires=expires,
            created=1,
        )
        self.records.put("token", str(token.id), token)
        return of_token(token, self.records.users[number])

    def allowed(self, principal, *pairs) -> set:
        return {pair for pair in pairs if self.policy.may(principal, *pair)}


@pytest.fixture
def world():
    """The records with a policy over them."""
    return World()


D = (Action.READ, Action.WRITE, Action.COMMAND, Action.MANAGE)
GENERAL = (
    (Action.CREATE_DEVICE, ""),
    (Action.ACCOUNT, "1"),
    (Action.ACCOUNT, "2"),
    (Action.ADMINISTER, ""),
)


def about(*devices, actions=D):
    """Return each of the actions with each of the devices."""
    return {(action, device) for action in actions for device in devices}


ALL = tuple(about("kitchen", "hall", "shed", "meter", "nothing")) + GENERAL


def test_a_user_does_everything_with_their_own_devices_only(world):
    """Ann manages kitchen and hall, and has an account."""
    expected = about("kitchen", "hall") | {(Action.CREATE_DEVICE, ""), (Action.ACCOUNT, "1")}
    assert world.allowed(world.user(ANN), *ALL) == expected


def test_an_admin_does_everything(world):
    """Except with another's account by the user's own door: that is administration."""
    assert world.allowed(world.user(ADA), *ALL) == set(ALL) - {
        (Action.ACCOUNT, "1"),
        (Action.ACCOUNT, "2"),
    }


@pytest.mark.parametrize(
    ("scope", "actions", "general"),
    [
        ("read", D[:1], set()),
        ("write", D[:3], set()),
        ("admin", D, {(Action.CREATE_DEVICE, ""), (Action.ACCOUNT, "1")}),
    ],
)
def test_a_token_of_a_user_reaches_as_far_as_its_scope(world, scope, actions, general):
    """Read looks, write sends, admin does what Ann may."""
    assert (
        world.allowed(world.token(ANN, scope), *ALL)
        == about("kitchen", "hall", actions=actions) | general
    )


def test_only_an_admin_token_of_an_admin_administers(world):
    """A read token of an admin sees all and changes nothing."""
    assert world.allowed(world.token(ADA, "read"), *ALL) == about(
        "kitchen", "hall", "shed", "meter", "nothing", actions=D[:1]
    )
    assert (Action.ADMINISTER, "") in world.allowed(world.token(ADA, "admin"), *ALL)
    assert (Action.ADMINISTER, "") not in world.allowed(world.token(ADA, "write"), *ALL)


def test_a_device_list_limits_a_token(world):
    """It reaches those devices, of those that its user sees, and makes neither devices nor
    tokens.
    """
    assert world.allowed(world.token(ANN, "admin", ["kitchen", "shed"]), *ALL) == about("kitchen")
    assert world.allowed(world.token(ADA, "admin", ["shed"]), *ALL) == about("shed")
    assert world.allowed(world.token(ADA, "admin", []), *ALL) == set()


def test_a_device_reads_and_writes_itself_and_commands_its_kin(world):
    """Kitchen and hall are both Ann's."""
    assert world.allowed(world.device("kitchen"), *ALL) == about("kitchen", actions=D[:3]) | {
        (Action.COMMAND, "hall")
    }


def test_devices_of_nobody_are_kin(world):
    """Meter and pump both belong to the admins."""
    assert world.policy.may(world.device("meter"), Action.COMMAND, "pump")
    assert not world.policy.may(world.device("meter"), Action.COMMAND, "kitchen")
    assert not world.policy.may(world.device("meter"), Action.COMMAND, "waiting")


def test_device_to_device_can_be_off():
    """A device still sends to itself: that is how IOTcommunicate's client side commands."""
    world = World(device_to_device="none")
    assert not world.policy.may(world.device("kitchen"), Action.COMMAND, "hall")
    assert not world.policy.may(
        world.device("kitchen"), Action.PUBLISH, "devices/hall/commands/led"
    )
    assert world.policy.may(world.device("kitchen"), Action.COMMAND, "kitchen")


@pytest.mark.parametrize("id_", ["waiting", "broken", "cys"])
def test_a_pending_or_disabled_device_may_nothing(world, id_):
    """Neither one that nobody approved, nor a disabled one, nor one of a disabled user."""
    principal = world.device(id_)
    assert not world.policy.may(principal, Action.PUBLISH, f"devices/{id_}/telemetry")
    assert not world.policy.may(principal, Action.READ, id_)
    with pytest.raises(Unauthenticated):
        world.policy.demand(principal, Action.READ, id_)


def test_no_principal_may_nothing(world):
    """Without sign-in there is nothing."""
    assert world.allowed(None, *ALL) == set()
    with pytest.raises(Unauthenticated):
        world.policy.demand(None, Action.READ, "kitchen")


def test_a_sign_in_that_no_longer_stands_may_nothing(world):
    """A replaced key, a revoked or expired token, a closed session, a disabled or demoted user."""
    kitchen, token, short = (
        world.device("kitchen"),
        world.token(ANN, "read"),
        world.token(ANN, "read", expires=NOW),
    )
    ann, ada, bobs = world.user(ANN), world.user(ADA), world.token(BOB, "read")
    world.records.put(
        "device", "kitchen", Device(id="kitchen", key_hash=b"new" * 8, owner=ANN, created=1)
    )
    world.records.put("token", token.proof.partition(":")[2], None)
    world.records.put("session", str(ANN), None)
    world.records.put("user", str(ADA), User(id=ADA, email="ada@x", role="user", created=1))
    world.records.put("user", str(BOB), User(id=BOB, email="bob@x", disabled=True, created=1))
    for principal in (kitchen, token, short, ann, ada, bobs):
        assert world.allowed(principal, *ALL) == set(), principal


def test_another_users_device_is_not_even_there(world):
    """404 for what one may not know of, 403 for what one sees and may not do."""
    with pytest.raises(NotFound):
        world.policy.demand(world.user(ANN), Action.READ, "shed")
    with pytest.raises(NotFound):
        world.policy.demand(world.user(ANN), Action.MANAGE, "nothing")
    with pytest.raises(Forbidden):
        world.policy.demand(world.token(ANN, "read"), Action.COMMAND, "kitchen")
    with pytest.raises(Forbidden):
        world.policy.demand(world.user(ANN), Action.ADMINISTER)
    world.policy.demand(world.user(ANN), Action.MANAGE, "kitchen")


def test_who_knows_a_waiting_boards_id_may_approve_it(world):
    """The board's holder does; a device, a limited token and a read token do not."""
    ask = (Action.APPROVE, "waiting")
    assert world.policy.may(world.user(ANN), *ask)
    assert world.policy.may(world.user(ADA), *ask)
    for principal in (
        world.token(ANN, "write"),
        world.token(ANN, "admin", ["waiting"]),
        world.device("kitchen"),
    ):
        assert not world.policy.may(principal, *ask)
    assert not world.policy.may(world.user(ANN), Action.APPROVE, "hall")


def test_a_user_grants_only_what_belongs_to_their_devices(world):
    """An admin grants what they like."""
    grants = {
        "devices/hall/#",
        "devices/hall/commands/led",
        "devices/shed/#",
        "devices/#",
        "home/#",
        "tele/hall/SENSOR",
        "#",
    }
    ann, ada = world.user(ANN), world.user(ADA)
    assert {g for g in grants if world.policy.may(ann, Action.GRANT, g)} == {
        "devices/hall/#", "devices/hall/commands/led", "tele/hall/SENSOR",
    }  # fmt: skip
    assert {g for g in grants if world.policy.may(ada, Action.GRANT, g)} == grants
    assert not world.policy.may(world.token(ADA, "write"), Action.GRANT, "home/#")


TOPICS = (
    "devices/kitchen/telemetry", "devices/kitchen/telemetry/a/b", "devices/kitchen/status",
    "devices/kitchen/replies/led", "devices/kitchen/commands/led",
    "devices/hall/commands/led", "devices/hall/telemetry", "devices/shed/telemetry",
    "devices/shed/commands/led", "devices/shed/replies/led", "tele/kitchen/SENSOR",
    "tele/shed/SENSOR",
    "home/lamp/set", "home/lamp", "elsewhere", "$SYS/broker/uptime", "$claim/board/announce",
    "$claim/board/credentials", "devices", "devices/", "devices/nothing/telemetry",
)  # fmt: skip
OWN = set(TOPICS[:5]) | {"tele/kitchen/SENSOR"}


def may(world, principal, action):
    """Return the topics for which the policy says yes."""
    return {topic for topic in TOPICS if world.policy.may(principal, action, topic)}


def test_what_a_device_publishes(world):
    """Its own topics, its routes', those granted to it, and commands to its kin."""
    kitchen = world.device("kitchen")
    assert may(world, kitchen, Action.PUBLISH) == OWN | {
        "devices/hall/commands/led",
        "home/lamp/set",
    }


def test_what_a_device_receives(world):
    """Its own topics and those granted; a grant by a user never reaches into another's device."""
    assert may(world, world.device("kitchen"), Action.RECEIVE) == OWN | {"home/lamp/set"}
    assert may(world, world.device("hall"), Action.RECEIVE) == {
        "devices/hall/commands/led",
        "devices/hall/telemetry",
    }


def test_a_device_of_the_admins_uses_any_grant(world):
    """Only an admin grants to it."""
    meter = world.device("meter")
    assert may(world, meter, Action.PUBLISH) == {
        "devices/shed/telemetry",
        "home/lamp",
        "home/lamp/set",
    }


@pytest.mark.parametrize(
    ("topic_filter", "expected"),
    [
        ("devices/kitchen/commands/#", True), ("devices/kitchen/commands/led", True),
        ("devices/kitchen/#", True),
        ("devices/kitchen/+/led", True), ("home/+/set", True), ("home/lamp/set", True),
        ("tele/kitchen/SENSOR", True),
        ("devices/hall/commands/#", False), ("devices/+/commands/#", False), ("#", False),
        ("+/#", False),
        ("home/#", False), ("$SYS/#", False), ("tele/+/SENSOR", False),
        ("devices/kitchen2/#", False),
    ],
)  # fmt: skip
def test_what_a_device_subscribes_to(world, topic_filter, expected):
    """Only filters that lie within what it may receive."""
    assert world.policy.may(world.device("kitchen"), Action.SUBSCRIBE, topic_filter) is expected


def test_what_listeners_over_mqtt_receive(world):
    """Topics of the devices they see; an admin's those of nobody and $SYS, too; no one a board's
    new key.
    """
    everything = set(TOPICS) - {"$claim/board/announce", "$claim/board/credentials"}
    ann = OWN | {"devices/hall/commands/led", "devices/hall/telemetry"}
    assert may(world, world.token(ANN, "read"), Action.RECEIVE) == ann
    assert may(world, world.token(ANN, "admin", ["hall"]), Action.RECEIVE) == {
        "devices/hall/commands/led", "devices/hall/telemetry",
    }  # fmt: skip
    assert may(world, world.token(ADA, "read"), Action.RECEIVE) == everything
    assert may(world, world.token(ADA, "read", ["hall"]), Action.RECEIVE) == {
        "devices/hall/commands/led", "devices/hall/telemetry",
    }  # fmt: skip


def test_what_listeners_over_mqtt_publish(world):
    """Commands and telemetry for devices they see; what a device says of itself comes from the
    device alone.
    """
    ann = {
        "devices/kitchen/telemetry", "devices/kitchen/telemetry/a/b",
        "devices/kitchen/commands/led",
        "tele/kitchen/SENSOR", "devices/hall/commands/led", "devices/hall/telemetry",
    }  # fmt: skip
    assert may(world, world.token(ANN, "read"), Action.PUBLISH) == set()
    assert may(world, world.token(ANN, "write"), Action.PUBLISH) == ann
    assert may(world, world.token(ADA, "write"), Action.PUBLISH) == {
        topic
        for topic in TOPICS
        if topic[0] != "$" and "/status" not in topic and "/replies" not in topic
    }
    assert may(world, world.token(ADA, "write", ["hall"]), Action.PUBLISH) == {
        "devices/hall/commands/led", "devices/hall/telemetry",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("topic_filter", "ann", "ada"),
    [
        ("#", True, True), ("devices/+/telemetry", True, True), ("devices/#", True, True),
        ("devices/kitchen/#", True, True), ("devices/shed/#", False, True),
        ("devices/shed/telemetry", False, True),
        ("devices/kitchen/telemetry", True, True), ("$SYS/#", False, True),
        ("$SYS/broker/uptime", False, True),
        ("$claim/#", False, False), ("home/+", True, True),
        ("$claim/board/credentials", False, False), ("elsewhere", False, True),
        ("+/shed/#", True, True),
    ],
)  # fmt: skip
def test_what_listeners_over_mqtt_subscribe_to(world, topic_filter, ann, ada):
    """Wildcards are allowed; what comes through them is asked topic by topic."""
    assert world.policy.may(world.token(ANN, "read"), Action.SUBSCRIBE, topic_filter) is ann
    assert world.policy.may(world.token(ADA, "read"), Action.SUBSCRIBE, topic_filter) is ada


def test_a_claim_announces_itself_and_nothing_else(world):
    """A board with the claim code reaches its own two topics."""
    board = of_claim("board")
    assert may(world, board, Action.PUBLISH) == {"$claim/board/announce"}
    assert may(world, board, Action.RECEIVE) == {"$claim/board/credentials"}
    assert may(world, board, Action.SUBSCRIBE) == {"$claim/board/credentials"}
    assert not world.policy.may(board, Action.SUBSCRIBE, "#")
    assert world.allowed(board, *ALL) == set()


def test_views_are_equal_where_they_see_the_same(world):
    """Listeners can be grouped by the key of their view."""
    view = world.policy.view
    assert view(world.user(ANN)) == view(world.token(ANN, "read"))
    assert view(world.user(ANN)) != view(world.user(BOB))
    assert view(world.token(ANN, "read", ["hall"])) != view(world.user(ANN))
    assert view(world.user(ADA)).key == view(world.token(ADA, "read")).key
    assert view(world.device("kitchen")) != view(world.device("hall"))
    assert len({view(world.user(ANN)), view(world.token(ANN, "write"))}) == 1


def test_views_see_devices_as_they_are_now(world):
    """A device that changes its owner changes sides at once."""
    ann, bob = world.policy.view(world.user(ANN)), world.policy.view(world.user(BOB))
    assert (ann.sees("kitchen"), bob.sees("kitchen")) == (True, False)
    world.records.put(
        "device", "kitchen", Device(id="kitchen", key_hash=b"k", owner=BOB, created=1)
    )
    assert (ann.sees("kitchen"), bob.sees("kitchen")) == (False, True)
    assert world.policy.view(world.user(ADA)).sees("kitchen")
    assert world.policy.view(world.device("kitchen")).sees("kitchen")
    assert not world.policy.view(world.device("kitchen")).sees("hall")


levels = st.sampled_from(
    [
        "devices",
        "kitchen",
        "hall",
        "shed",
        "telemetry",
        "commands",
        "home",
        "SENSOR",
        "+",
        "#",
        "$SYS",
        "",
    ]
)


ends = st.lists(levels, max_size=2)
starts = st.sampled_from([["devices", "shed"], ["tele", "shed"], []])


@given(topic=st.tuples(starts, ends).map(lambda parts: "/".join([*parts[0], *parts[1]])))
def test_nothing_of_bobs_ever_reaches_ann(topic):
    """Whatever the topic or filter, Ann and her devices stay out of Bob's shed."""
    world = World()
    if world.policy.device_of(topic) == "shed":
        for principal in (
            world.user(ANN),
            world.token(ANN, "admin"),
            world.device("kitchen"),
            world.device("hall"),
        ):
            for action in (Action.PUBLISH, Action.RECEIVE, Action.SUBSCRIBE):
                assert not world.policy.may(principal, action, topic)
