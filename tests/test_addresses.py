"""Where the gateway is found: the URLs that commands use, and those that they print."""

import socket

import pytest

from gateway import addresses
from gateway.addresses import lan_address, local_url, public_url


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])
def test_everywhere_is_this_machine_here_and_its_address_elsewhere(host, monkeypatch):
    """A gateway that listens everywhere is `localhost` here, and has an address in the network."""
    monkeypatch.setattr(addresses, "lan_address", lambda: "192.168.1.10")
    assert local_url(host, 8080, tls=False) == "http://localhost:8080"
    assert public_url(host, 8080, tls=True) == "https://192.168.1.10:8080"


def test_a_machine_without_network_has_only_localhost(monkeypatch):
    """There is nobody elsewhere who could ask."""
    monkeypatch.setattr(addresses, "lan_address", lambda: None)
    assert public_url("0.0.0.0", 8080, tls=False) == "http://localhost:8080"


def test_a_host_that_was_chosen_is_given_everywhere():
    """IPv6 addresses stand in brackets."""
    assert public_url("gateway.local", 80, tls=False) == "http://gateway.local:80"
    assert local_url("::1", 24443, tls=True) == public_url("::1", 24443, tls=True)
    assert local_url("::1", 24443, tls=True) == "https://[::1]:24443"


def test_the_address_in_the_network_is_one_of_this_machine():
    """What is given can be listened on; without a network there is none."""
    if address := lan_address():
        with socket.socket() as server:
            server.bind((address, 0))


def test_no_way_to_anywhere(monkeypatch):
    """A machine whose network is down has no address in it."""

    class Unreachable(socket.socket):
        def connect(self, address):
            raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket, "socket", Unreachable)
    assert lan_address() is None
