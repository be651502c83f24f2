"""The one way out: live listeners, filters, cursors, slow listeners."""

from gateway.hub.encoding import Encoding
from gateway.hub.hub import Group, Hub, IndexedView, Subscriber, View
from gateway.hub.listener import Listener, Outlet
from gateway.hub.subscription import Subscription

__all__ = [
    "Encoding",
    "Group",
    "Hub",
    "IndexedView",
    "Listener",
    "Outlet",
    "Subscriber",
    "Subscription",
    "View",
]
