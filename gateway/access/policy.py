"""Who may do what: the one place that decides.

Every entrance asks `may` or `demand` with a principal, an action and what it is about, and checks
nothing itself. What a principal may do is the least of what its user or device may and what its
scope and device list leave of it.

- A user (by cookie) sees the devices they own, an admin all. They manage them, make devices and
  tokens; an admin administers.
- A token sees what its user sees, or what is left of that by its list of devices. `read` looks,
  `write` also commands and posts telemetry, `admin` also does what its user may; with a list it
  manages those devices and no more.
- A device publishes and subscribes below its own topics, those that a route gives it and those
  granted to it, and commands devices of its owner.
- A claim announces a board, once, and receives the answer.

Devices without an owner are the admins', and count as of one owner among themselves.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Literal, Protocol

from gateway.errors import Forbidden, NotFound, Unauthenticated
from gateway.topics import covers, is_pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gateway.access.principal import Principal
    from gateway.access.records import Records
    from gateway.store.registry import Device, Scope

_RANK: dict[Scope, int] = {"read": 0, "write": 1, "admin": 2}


class Action(Enum):
    """What the policy decides on; the subject follows the dash."""

    READ = "see"  # - device: frames, latest, history, the record
    WRITE = "post telemetry of"  # - device
    COMMAND = "command"  # - device
    MANAGE = "manage"  # - device: change, remove, new key
    APPROVE = "approve"  # - device that waits for it
    CREATE_DEVICE = "create devices"
    GRANT = "grant"  # - topic filter, to a device that the asker manages
    ACCOUNT = "change the account of user"  # - user id as text: name, password, tokens, sessions
    ADMINISTER = "administer the gateway"  # - everything else: users, audit, rejected messages
    PUBLISH = "publish to"  # - topic
    SUBSCRIBE = "subscribe to"  # - topic filter
    RECEIVE = "receive"  # - topic


_ABOUT_DEVICE = frozenset(
    {Action.READ, Action.WRITE, Action.COMMAND, Action.MANAGE, Action.APPROVE}
)


class TopicMatch(Protocol):
    """What a topic is about: whose it is (nothing, if nobody's), and telemetry, command,
    reply...
    """

    @property
    def kind(self) -> str: ...
    @property
    def device(self) -> str: ...


class FindTopic(Protocol):
    """Return what a topic is about, or None where it is nobody's."""

    def __call__(self, topic: str, /) -> TopicMatch | None: ...


class OwnTopics(Protocol):
    """The topics that devices have as their own by their conventions, or none."""

    def publishes(self, device: str, topic: str, /) -> bool: ...
    def subscribes(self, device: str, topic_filter: str, /) -> bool: ...


class NoTopics:
    """Devices speak the gateway's own way only."""

    def publishes(self, _device: str, _topic: str, /) -> bool:
        return False

    def subscribes(self, _device: str, _topic_filter: str, /) -> bool:
        return False


class View:
    """The devices that a principal sees, now. Principals with an equal `key` see the same ones."""

    __slots__ = ("_devices", "_sees", "key")

    def __init__(
        self,
        key: tuple[object, ...],
        sees: Callable[[str], bool],
        devices: Callable[[], Iterable[str] | None],
    ) -> None:
        self.key = key
        self._sees = sees
        self._devices = devices

    def sees(self, device: str) -> bool:
        return self._sees(device)

    def devices(self) -> Iterable[str] | None:
        """Return the devices to look among; None: all there are."""
        return self._devices()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, View) and other.key == self.key

    def __hash__(self) -> int:
        return hash(self.key)


class Policy:
    """The rules over the records as they are now.

    `find`: what a topic is about, by the routes.
    `own`: topics that devices have by their conventions.
    `device_to_device`: whether a device may command others of its owner.
    """

    def __init__(
        self,
        records: Records,
        *,
        find: FindTopic,
        own: OwnTopics | None = None,
        device_to_device: Literal["owner", "none"] = "owner",
    ) -> None:
        self._records = records
        self._find = find
        self._own = own or NoTopics()
        self._device_to_device = device_to_device == "owner"
        self._rules: dict[Action, Callable[[Principal, str], bool]] = {
            Action.READ: self._sees,
            Action.WRITE: self._may_write,
            Action.COMMAND: self._may_command,
            Action.MANAGE: self._may_manage,
            Action.APPROVE: self._may_approve,
            Action.CREATE_DEVICE: lambda principal, _: _unlimited(principal),
            Action.GRANT: self._may_grant,
            Action.ACCOUNT: lambda principal, user: (
                _unlimited(principal) and user == str(principal.owner)
            ),
            Action.ADMINISTER: lambda principal, _: _unlimited(principal) and principal.admin,
            Action.PUBLISH: self._may_publish,
            Action.SUBSCRIBE: self._may_subscribe,
            Action.RECEIVE: self._may_receive,
        }

    def may(self, principal: Principal | None, action: Action, subject: str = "") -> bool:
        """Tell whether the principal, if it still stands, may do this."""
        if principal is None or not self._records.stands(principal):
            return False
        return self._rules[action](principal, subject)

    def demand(self, principal: Principal | None, action: Action, subject: str = "") -> None:
        """Raise `Unauthenticated`, `NotFound` (a device the principal may not know of) or
        `Forbidden`.
        """
        if self.may(principal, action, subject):
            return
        if principal is None or not self._records.stands(principal):
            raise Unauthenticated
        if action in _ABOUT_DEVICE and not self._sees(principal, subject):
            raise NotFound(f"there is no device {subject[:80]!r}")
        raise Forbidden(f"{principal.name} may not {action.value} {subject[:80]}".rstrip())

    def view(self, principal: Principal) -> View:
        """Return what the principal sees; ask anew for a principal whose sign-in no longer
        stands.
        """
        if principal.device is not None or principal.claim is not None:
            key: tuple[object, ...] = (principal.key,)
        else:
            key = ("all" if principal.admin else principal.owner, principal.devices)
        return View(
            key, lambda device: self._sees(principal, device), lambda: self._those_of(principal)
        )

    def device_of(self, topic: str) -> str | None:
        """Return the device that a topic belongs to, or None where it is nobody's."""
        found = self._find(topic)
        return None if found is None else found.device or None

    def payer(self, topic: str) -> str | int:
        """Return for whom what is kept of a topic is counted: the user whose device it is, or the
        device that is nobody's.
        """
        device = self.device_of(topic)
        found = self._records.devices.get(device) if device is not None else None
        return found.owner if found is not None and found.owner is not None else device or ""

    # Devices

    def _those_of(self, principal: Principal) -> Iterable[str] | None:
        if principal.device is not None:
            return (principal.device,)
        if principal.devices is not None:
            return principal.devices
        return None if principal.admin else self._records.of_owner(principal.owner)

    def _sees(self, principal: Principal, device: str) -> bool:
        if principal.device is not None or principal.claim is not None:
            return device == principal.device
        if principal.devices is not None and device not in principal.devices:
            return False
        if principal.admin:
            return True
        found = self._records.devices.get(device)
        return found is not None and found.owner == principal.owner

    def _may_write(self, principal: Principal, device: str) -> bool:
        return _reaches(principal, "write") and self._sees(principal, device)

    def _may_command(self, principal: Principal, device: str) -> bool:
        if principal.device is not None and device != principal.device:
            return self._device_to_device and self._same_owner(
                principal, self._records.allowed_device(device)
            )
        return _reaches(principal, "write") and self._sees(principal, device)

    def _may_manage(self, principal: Principal, device: str) -> bool:
        return _reaches(principal, "admin") and self._sees(principal, device)

    def _may_approve(self, principal: Principal, device: str) -> bool:
        """Whoever knows the id of a waiting board holds the board: it told the id to nobody
        else.
        """
        found = self._records.devices.get(device)
        return _unlimited(principal) and found is not None and found.state == "pending"

    def _same_owner(self, principal: Principal, device: Device | None) -> bool:
        return device is not None and device.owner == principal.owner

    # Topics

    def _may_publish(self, principal: Principal, topic: str) -> bool:
        if topic.startswith("$"):
            return principal.claim is not None and topic == f"$claim/{principal.claim}/announce"
        found = self._find(topic)
        kind, device = ("carried", None) if found is None else (found.kind, found.device or None)
        if principal.device is not None:
            own = device == principal.device or self._granted(principal, topic)
            return (
                own
                or self._own.publishes(principal.device, topic)
                or (
                    device is not None
                    and kind == "command"
                    and self._may_command(principal, device)
                )
            )
        if device is None:
            return principal.admin and principal.devices is None and _reaches(principal, "write")
        # What a device says of itself, and what it answers, comes from the device alone.
        return kind not in {"about", "status", "reply"} and self._may_write(principal, device)

    def _may_subscribe(self, principal: Principal, topic_filter: str) -> bool:
        if not is_pattern(topic_filter):
            return self._may_receive(principal, topic_filter)
        if principal.claim is not None:
            return False
        if principal.device is not None:
            return self._may_subscribe_as_device(principal, principal.device, topic_filter)
        first, _, rest = topic_filter.partition("/")
        if first.startswith("$"):
            return first == "$SYS" and _sees_everything(principal)
        named = rest.split("/", 1)[0] if first == "devices" else ""
        return (
            not named or is_pattern(named) or self._sees(principal, named)
        )  # the rest is asked topic by topic

    def _may_receive(self, principal: Principal, topic: str) -> bool:
        if principal.claim is not None:
            return topic == f"$claim/{principal.claim}/credentials"
        if topic.startswith("$"):
            return topic.startswith("$SYS/") and _sees_everything(principal)
        device = self.device_of(topic)
        if principal.device is not None:
            own = device == principal.device or self._granted(principal, topic)
            return own or self._own.subscribes(principal.device, topic)
        return _sees_everything(principal) if device is None else self._sees(principal, device)

    def _may_grant(self, principal: Principal, topic_filter: str) -> bool:
        """An admin grants what they like, a user what belongs to their own devices."""
        if not _unlimited(principal):
            return False
        device = self.device_of(topic_filter)
        return principal.admin or (device is not None and self._sees(principal, device))

    def _may_subscribe_as_device(self, principal: Principal, own: str, topic_filter: str) -> bool:
        if covers(f"devices/{own}/#", topic_filter) or self.device_of(topic_filter) == own:
            return True
        if self._own.subscribes(own, topic_filter):
            return True
        granted = any(covers(grant, topic_filter) for grant in self._grants(own))
        return granted and self._may_cross(principal, topic_filter)

    def _granted(self, principal: Principal, topic: str) -> bool:
        assert principal.device is not None
        granted = any(covers(grant, topic) for grant in self._grants(principal.device))
        return granted and self._may_cross(principal, topic)

    def _may_cross(self, principal: Principal, topic: str) -> bool:
        """A grant reaches another user's device only where the device that has it is an admin's, or
        nobody's.
        """
        device = self.device_of(topic)
        if device is None or is_pattern(device):
            return True
        owner = None if principal.owner is None else self._records.users.get(principal.owner)
        if owner is None or owner.role == "admin":
            return True
        return self._same_owner(principal, self._records.devices.get(device))

    def _grants(self, device: str) -> tuple[str, ...]:
        found = self._records.devices.get(device)
        return found.grants if found else ()


def _reaches(principal: Principal, scope: Scope) -> bool:
    return _RANK[principal.scope] >= _RANK[scope]


def _unlimited(principal: Principal) -> bool:
    """A user, or a token that may do all that its user may."""
    is_user = principal.owner is not None and principal.device is None
    return is_user and principal.devices is None and _reaches(principal, "admin")


def _sees_everything(principal: Principal) -> bool:
    return principal.admin and principal.devices is None
