"""How MQTT writes numbers, text and bytes (1.5), and where a packet begins and ends (2.1).

The readers take a buffer, the position to read at and the end of what they may read, and return the
value with the position after it. They raise `MalformedPacket` where the value is cut off or breaks
its own rules.
"""

from __future__ import annotations

from typing import Final

from gateway.broker.embedded.codec.reasons import MalformedPacket, PacketTooLarge

LARGEST_LENGTH: Final = 268_435_455
"""The largest variable byte integer: four bytes of seven bits."""


def read_length(buffer: bytes | bytearray, start: int, end: int) -> tuple[int, int] | None:
    """Return a variable byte integer and the position after it, or None where it is not complete
    yet.
    """
    # Nearly all lengths are one byte.
    if start < end and buffer[start] < 0x80:
        return buffer[start], start + 1
    value = shift = 0
    for position in range(start, min(start + 4, end)):
        byte = buffer[position]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position + 1
        shift += 7
    # 1.5.5: a fifth byte is never read, so nobody can claim a length that has no end.
    if end - start >= 4:
        raise MalformedPacket("a variable byte integer has more than four bytes")
    return None


def packet_bounds(buffer: bytes | bytearray, start: int, max_size: int) -> tuple[int, int] | None:
    """Return where the packet at `start` has its variable header and where it ends.

    None when the remaining length is not all there; the end may lie beyond the buffer. Raises
    `PacketTooLarge` as soon as the fixed header shows more than `max_size` bytes in all.
    """
    found = read_length(buffer, start + 1, len(buffer))
    if found is None:
        return None
    length, body = found
    # [MQTT-3.2.2-15] in MQTT 5; before it, what this side is willing to hold.
    if body + length - start > max_size:
        raise PacketTooLarge(
            f"a packet of {body + length - start} bytes is over the limit of {max_size}"
        )
    return body, body + length


def read_variable_byte_integer(buffer: bytes, start: int, end: int) -> tuple[int, int]:
    """Read a complete variable byte integer in its shortest form (1.5.5)."""
    found = read_length(buffer, start, end)
    if found is None:
        raise MalformedPacket("a variable byte integer is cut off")
    check_shortest(buffer, start, found[1])
    return found


def check_shortest(buffer: bytes, start: int, end: int) -> None:
    """Refuse a variable byte integer whose last byte adds nothing [MQTT-1.5.5-1]."""
    if end - start > 1 and not buffer[end - 1]:
        raise MalformedPacket("a variable byte integer is longer than it need be")


def read_byte(buffer: bytes, start: int, end: int) -> tuple[int, int]:
    """Read one byte."""
    if start >= end:
        raise MalformedPacket("the packet ends where a byte should be")
    return buffer[start], start + 1


def read_two_bytes(buffer: bytes, start: int, end: int) -> tuple[int, int]:
    """Read a two byte integer (1.5.2)."""
    if start + 2 > end:
        raise MalformedPacket("the packet ends inside a two byte integer")
    return buffer[start] << 8 | buffer[start + 1], start + 2


def read_four_bytes(buffer: bytes, start: int, end: int) -> tuple[int, int]:
    """Read a four byte integer (1.5.3)."""
    if start + 4 > end:
        raise MalformedPacket("the packet ends inside a four byte integer")
    return int.from_bytes(buffer[start : start + 4], "big"), start + 4


def read_binary(buffer: bytes, start: int, end: int) -> tuple[bytes, int]:
    """Read binary data after its length (1.5.6)."""
    length, start = read_two_bytes(buffer, start, end)
    after = start + length
    if after > end:
        raise MalformedPacket("the packet ends inside a string or binary data")
    return buffer[start:after], after


def read_string(buffer: bytes, start: int, end: int) -> tuple[str, int]:
    """Read a UTF-8 string after its length (1.5.4)."""
    raw, after = read_binary(buffer, start, end)
    return text(raw), after


def read_string_pair(buffer: bytes, start: int, end: int) -> tuple[tuple[str, str], int]:
    """Read a name and a value, both UTF-8 strings (1.5.7) [MQTT-1.5.7-1]."""
    name, start = read_string(buffer, start, end)
    value, start = read_string(buffer, start, end)
    return (name, value), start


def text(raw: bytes) -> str:
    """Return the text of a UTF-8 string, or raise `MalformedPacket`."""
    try:
        # [MQTT-1.5.4-1], in 3.1.1 [MQTT-1.5.3-1]: Python's decoder refuses surrogates and overlong
        # forms, [MQTT-1.5.4-3] and keeps a byte order mark where it stands.
        value = raw.decode()
    except UnicodeDecodeError as error:
        raise MalformedPacket(f"a string is not UTF-8: {error.reason}") from None
    # [MQTT-1.5.4-2], in 3.1.1 [MQTT-1.5.3-2]
    if "\0" in value:
        raise MalformedPacket("a string holds U+0000")
    return value


def variable_byte_integer(value: int) -> bytes:
    """Write a variable byte integer in its shortest form; raises `ValueError` above
    `LARGEST_LENGTH`.
    """
    if value < 0x80:
        return _ONE_BYTE[value]
    if value < 0x4000:
        return bytes((value & 0x7F | 0x80, value >> 7))
    if value > LARGEST_LENGTH:
        raise ValueError(f"{value} does not fit in a variable byte integer")
    return bytes((value & 0x7F | 0x80,)) + variable_byte_integer(value >> 7)


def binary(value: bytes) -> bytes:
    """Write binary data after its length; raises `ValueError` above 65,535 bytes."""
    if len(value) > 0xFFFF:
        raise ValueError(f"{len(value)} bytes do not fit in binary data or a string")
    return len(value).to_bytes(2, "big") + value


def string(value: str) -> bytes:
    """Write a UTF-8 string after its length; raises `ValueError` where `text` would refuse it."""
    if "\0" in value:
        raise ValueError("a string may not hold U+0000")
    return binary(value.encode())


_ONE_BYTE: Final = tuple(bytes((value,)) for value in range(0x80))
