"""The stimulator as a process: the device behind its command server."""

import signal
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from bci_core import registry
from bci_core.clock import Clock
from bci_core.config.rig import Rig
from bci_core.contracts import Stimulator
from bci_core.control.emissions import LABELS, rows_of, units_of
from bci_core.session import build
from bci_core.session.channel import Channel, Message
from bci_core.session.folder import LIFELINE
from bci_core.session.realtime import ask_for_realtime, freeze_garbage

STEP_S = 0.02
ONSET = LABELS.index("onset_s")
EMERGENCY_STOP = "emergency_stop"
"""Reason of the device, and row of the ledger, when SIGUSR1 has come."""


def run_stimulator(
    rig: Rig, rig_path: str, session_id: str, keys_path: str, channel: Channel, clock: Clock
) -> int:
    """Serve until told to stop or until the supervisor is gone.

    Whoever started it: where looser limits take two people's keys, these are looked for beside
    the rig once more.

    SIGUSR1 is the emergency stop: it disarms the device whatever the loop and the
    supervisor are doing. SIGTERM disarms, too, and ends the process.

    Returns
    -------
    int
        Exit status of the process.

    Raises
    ------
    SafetyError
        Approvals are missing, or do not count.
    """
    build.approvals(rig, rig_path)
    device = build.stimulator(rig)
    blind = rig.arms is not None and rig.arms.blind
    keys = registry.load("transport", "command_keys").load(keys_path)

    def tell(event: str, data: dict[str, Any]) -> None:
        channel.send({"event": "row", "name": event, "data": data})

    make_server = registry.load("transport", "command_server")
    # After the work of importing, and before the threads that inherit it.
    scheduling = ask_for_realtime()
    lifeline = Path(keys_path).with_name(LIFELINE)
    current = registry.load("transport", "row_outlet")(
        f"{rig.name}-current",
        f"{session_id}-current",
        LABELS,
        units_of(device.capabilities),
    )
    server = make_server(device, clock, keys=keys, on_event=tell, lifeline=lifeline)
    asked: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        # The device may be in the middle of something: the server disarms it as its next step.
        asked.append(number)
        server.disarm_soon(EMERGENCY_STOP if number == signal.SIGUSR1 else "terminated")

    for number in (signal.SIGUSR1, signal.SIGTERM):
        signal.signal(number, stop)
    channel.send(
        {
            "event": "ready",
            "endpoint": server.endpoint,
            "scheduling": scheduling,
            "source_ids": [f"{session_id}-current"],
        }
    )
    freeze_garbage()
    try:
        while not channel.closed and signal.SIGTERM not in asked:
            server.step(STEP_S)
            emitted = device.emissions()
            if not blind:
                for row in rows_of(emitted):
                    current.push(row, row[ONSET])
            if signal.SIGUSR1 in asked:
                asked.remove(signal.SIGUSR1)
                tell(EMERGENCY_STOP, {"device": rig.stimulator.name})
            channel.flush()
            orders = channel.receive()
            for order in orders:
                if order["do"] == "fault":
                    _switch(device, order, tell)
            if any(order["do"] == "stop" for order in orders):
                break
    finally:
        server.close()
    why = "ended by SIGTERM" if signal.SIGTERM in asked else ""
    channel.send({"event": "done", "why": why})
    return 0


def _switch(
    device: Stimulator, order: Message, tell: Callable[[str, dict[str, Any]], None]
) -> None:
    """Break a simulated device, or mend it; a real one has no such switches."""
    faults = getattr(device, "faults", None)
    if faults is None:
        tell("fault_switch_refused", {"kind": order["kind"], "why": "the device is not simulated"})
        return
    faults.switch(order["kind"], order["on"])
    tell("fault_switched", {"kind": order["kind"], "on": order["on"]})
