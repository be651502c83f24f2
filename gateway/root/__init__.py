"""The composition root: one file a part, each a context that builds and starts it, yields what
others need of it as a frozen value, and ends it.

Nothing here takes part in what passes through the gateway.
"""
