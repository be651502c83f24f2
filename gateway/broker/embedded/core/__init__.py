"""The broker as one machine without I/O: bytes and events in, bytes and effects out."""
