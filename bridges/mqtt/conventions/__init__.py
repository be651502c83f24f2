"""What devices of other makers say over MQTT, and what they understand: one file a convention.

`convention.py` has the few forms that all of them share. A convention is pure: topics and payloads
in, facts and messages out, no broker, no clock. How to add one: docs/conventions.md.
"""
