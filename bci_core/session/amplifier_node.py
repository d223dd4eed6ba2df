"""The amplifier as a process: polls the driver, publishes samples."""

from dataclasses import replace

from bci_core import registry
from bci_core.chunk import StreamInfo
from bci_core.clock import Clock
from bci_core.config.rig import Rig
from bci_core.control.plain import plain
from bci_core.errors import BciError, DeviceError
from bci_core.session import build
from bci_core.session.channel import Channel
from bci_core.session.reacting import Reacting
from bci_core.session.realtime import ask_for_realtime, freeze_garbage, sweep

READ_S = 0.05
STATUS_EVERY_S = 0.5


def run_amplifier(rig: Rig, session_id: str, channel: Channel, clock: Clock) -> int:
    """Stream until told to stop, until the supervisor is gone, or until the source ends.

    Returns
    -------
    int
        Exit status of the process.
    """
    amplifier = build.amplifier(rig, clock)
    make_outlet = registry.load("transport", "sample_outlet")
    # After the work of importing, and before the threads that inherit it.
    scheduling = ask_for_realtime()
    source_id = f"{session_id}-samples"
    status, why = 0, ""
    try:
        # The stream can be found, by a recorder that looks for a second, while a board opens.
        described = amplifier.describe()
        outlet = make_outlet(replace(described, name=rig.name, source_id=source_id))
        reacting = Reacting(amplifier, rig, session_id)
        channel.send({"event": "ready", "source_id": source_id, "source_ids": reacting.source_ids})
        _require_same(described, amplifier.open())
        channel.send({"event": "streaming", "scheduling": scheduling})
        freeze_garbage()
        due_s = 0.0
        while not channel.closed and not amplifier.exhausted:
            chunk = amplifier.read(READ_S)
            if chunk is not None:
                outlet.push(chunk)
            reacting.step()
            sweep()
            if any(order["do"] == "stop" for order in channel.receive()):
                break
            if clock.now_s() >= due_s:
                due_s = clock.now_s() + STATUS_EVERY_S
                channel.send({"event": "status", **plain(amplifier.counters)})
                sweep(everything=True)
    except BciError as error:
        status, why = error.exit_status, str(error)
    finally:
        amplifier.close()
    ended = "exhausted" if amplifier.exhausted else "stopped"
    channel.send({"event": "done", "how": ended, "why": why, **plain(amplifier.counters)})
    return status


def _require_same(described: StreamInfo, opened: StreamInfo) -> None:
    told = (described.channels, described.rate_hz, described.unit)
    streams = (opened.channels, opened.rate_hz, opened.unit)
    if told != streams:
        raise DeviceError(
            f"the amplifier streams {streams}, and had described itself as {told} "
            "(channels, rate in Hz, unit): mend its driver's describe()"
        )
