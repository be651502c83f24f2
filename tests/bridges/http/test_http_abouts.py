"""What a device is, over HTTP."""

import pytest

from gateway.access import abouts, devices

API = "/api/v1"


@pytest.fixture
async def owner(core):
    """Make the device kitchen and return its owner's headers."""
    ann = await core.user()
    await core.device("kitchen", ann)
    return await core.bearer(ann, "admin")


async def test_an_edit_is_a_merge_patch_over_what_the_device_says(core, client, owner):
    """A person's edit wins field by field; null shows the device's word again."""
    said = {"name": "Device", "channels": {"t": {"unit": "°C"}}}
    await core.do(abouts.announce, "kitchen", said)
    url = f"{API}/devices/kitchen/about"
    assert await (await client.get(url, headers=owner)).json() == said
    patch = {"name": "Mine", "channels": {"t": {"digits": 1}}}
    async with client.patch(url, json=patch, headers=owner) as response:
        assert response.status == 200
        edited = {"name": "Mine", "channels": {"t": {"unit": "°C", "digits": 1}}}
        assert await response.json() == edited
    async with client.patch(url, json={"name": None}, headers=owner) as response:
        assert (await response.json())["name"] == "Device"
    async with client.delete(url, headers=owner) as response:
        assert await response.json() == said


async def test_devices_carry_it(core, client, owner):
    """The list and one device show what it is, its parent and its convention."""
    await core.do(devices.adopt, "kitchen", "lamp")
    await core.do(devices.recognise, "kitchen", "tasmota", "tele/kitchen")
    await core.do(abouts.describe, "lamp", {"name": "Lamp"})
    listed = (await (await client.get(f"{API}/devices", headers=owner)).json())["devices"]
    shown = [(d["id"], d["about"], d["parent"], d["convention"]) for d in listed]
    assert shown == [("kitchen", {}, None, "tasmota"), ("lamp", {"name": "Lamp"}, "kitchen", "")]
    one = await (await client.get(f"{API}/devices/lamp", headers=owner)).json()
    assert one["about"] == {"name": "Lamp"}


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"[]", "merge patch"),
        (b"{", "not JSON"),
        (b'{"colour":"red"}', "colour"),
        (b'{"channels":{"t":{"unit":5}}}', "channels"),
    ],
)
async def test_what_does_not_fit_is_400(client, owner, body, word):
    """The answer says what is wrong, and nothing is kept."""
    url = f"{API}/devices/kitchen/about"
    async with client.patch(url, data=body, headers=owner) as response:
        assert response.status == 400
        assert word in (await response.json())["detail"]
    assert await (await client.get(url, headers=owner)).json() == {}
