"""A Raspberry Pi, or any computer, as a device: reports its load and temperature, answers two
commands.

On the gateway:
    gateway device add attic --owner you@example.com    # prints the KEY
    gateway send attic led true --wait 5                # switches the LED and prints the reply
    gateway send attic interval 2                       # reports every two seconds from now on
On the Pi (docs/device-library.md says how to install it; gpiozero is for the LED):
    python raspberry_pi.py attic KEY --host gateway.local --keep-in unsent.db
"""

import argparse
import contextlib
import os
import threading
from pathlib import Path

from gateway.device import Device

try:
    import gpiozero
except ImportError:
    LED = None
else:
    LED = gpiozero.LED(17)

CPU_TEMPERATURE = Path("/sys/class/thermal/thermal_zone0/temp")  # thousandths of a degree


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Report this computer to the gateway.")
    parser.add_argument("device", help="the device's id")
    parser.add_argument("key", help="its key")
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--port", type=int)
    parser.add_argument("--ca-file", help="use TLS, and trust this certificate authority")
    parser.add_argument("--keep-in", help="the file that keeps unsent readings over a restart")
    parser.add_argument("--interval", type=float, default=10.0, help="seconds between two reports")
    return parser.parse_args()


def readings() -> dict[str, float]:
    values = {"load": os.getloadavg()[0]}
    if CPU_TEMPERATURE.exists():
        values["temperature"] = int(CPU_TEMPERATURE.read_text()) / 1000
    return values


def switch_led(on: bool) -> None:
    if LED:
        LED.value = on
    else:
        print("LED", "on" if on else "off", flush=True)


def main() -> None:
    args = arguments()
    device = Device(
        args.device,
        args.key,
        args.host,
        port=args.port,
        ca_file=args.ca_file,
        path=args.keep_in,
    )
    interval = args.interval
    changed = threading.Event()

    @device.on("led")
    def led(value):
        switch_led(bool(value))
        return bool(value)

    @device.on("interval")
    def set_interval(value):
        nonlocal interval
        interval = max(0.1, float(value))
        changed.set()
        return interval

    with device:
        while True:
            device.send(readings())
            changed.wait(interval)
            changed.clear()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
