"""The form of frames: bytes are joined unless an encoding says otherwise."""

from gateway.hub.encoding import Encoding


def test_bytes_are_joined_and_gaps_are_silent_by_default() -> None:
    """What most bridges need is not repeated in each."""
    encoding = Encoding(frame=lambda seq, entry, data: data)
    assert encoding.join([b"a", b"b"]) == b"ab"
    assert encoding.gap is None
