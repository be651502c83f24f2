"""Rules: what happens when a value crosses a bound, or a channel falls silent, without code.

`form` is what a rule says, `check` finds its mistakes, `evaluation` follows readings and time, all
without a clock or a socket; `watching` connects them to the hub, and `actions` does what they say.
"""
