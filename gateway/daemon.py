"""The composition root: the only module that knows every part."""

from __future__ import annotations

import asyncio
