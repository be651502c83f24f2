"""The pages: what a person sees in a browser. Plain files that speak the same API as everybody
else.
"""

from gateway.bridges.web.pages import Pages

__all__ = ["Pages"]
