"""The stimulator as a process: the device behind its command server."""

import signal
from types import FrameType
from typing import Any

from bci_core import registry
from bci_core.clock import Clock
from bci_core.config.rig import Rig
from bci_core.session import build
from bci_core.session.channel import Channel
from bci_core.session.realtime import ask_for_realtime, freeze_garbage

STEP_S = 0.02


def run_stimulator(rig: Rig, keys_path: str, channel: Channel, clock: Clock) -> int:
    """Serve until told to stop or until the supervisor is gone.

    SIGUSR1 is the emergency stop: it disarms the device whatever the loop and the
    supervisor are doing.

    Returns
    -------
    int
        Exit status of the process.
    """
    scheduling = ask_for_realtime()
    device = build.stimulator(rig)
    keys = registry.load("transport", "command_keys").load(keys_path)

    def tell(event: str, data: dict[str, Any]) -> None:
        channel.send({"event": "row", "name": event, "data": data})

    server = registry.load("transport", "command_server")(device, clock, keys=keys, on_event=tell)

    def emergency_stop(_signal: int, _frame: FrameType | None) -> None:
        device.disarm("emergency_stop", clock.now_s())
        tell("emergency_stop", {"device": rig.stimulator.name})

    signal.signal(signal.SIGUSR1, emergency_stop)
    channel.send({"event": "ready", "endpoint": server.endpoint, "scheduling": scheduling})
    freeze_garbage()
    try:
        while not channel.closed:
            server.step(STEP_S)
            channel.flush()
            if any(order["do"] == "stop" for order in channel.receive()):
                break
    finally:
        device.disarm("server_stopped", clock.now_s())
        server.close()
    channel.send({"event": "done", "why": ""})
    return 0
