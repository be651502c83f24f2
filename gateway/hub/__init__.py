"""The one way out: live listeners, filters, cursors, slow listeners."""

from gateway.hub.hub import Group, Hub, Taker, View, Wire
from gateway.hub.listener import Listener, Outlet

__all__ = ["Group", "Hub", "Listener", "Outlet", "Taker", "View", "Wire"]
