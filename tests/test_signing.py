"""Signatures of posts, as Standard Webhooks has them."""

import pytest

from gateway.errors import Invalid
from gateway.signing import signature, signing_key


def test_the_example_of_the_standard() -> None:
    """A secret with `whsec_` is base64; the reference value is that of the standard's own
    libraries.
    """
    key = signing_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    made = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    with pytest.raises(Invalid, match="whsec_"):
        signing_key("whsec_!")
