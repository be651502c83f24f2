"""The one way out: live listeners, filters, cursors, slow listeners."""

from gateway.hub.hub import Group, Hub, Taker, View, Wire
from gateway.hub.listener import Listener, Outlet, Subscription

__all__ = ["Group", "Hub", "Listener", "Outlet", "Subscription", "Taker", "View", "Wire"]
