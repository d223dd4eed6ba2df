"""The three bare processes of the transport floor; see `bci_core.bench.floor`.

Each is started as ``python -m bci_core.bench.floor_node ROLE``, reads its orders as one
line of JSON from standard input, says ``{"ready": …}``, and ends with one line of results.
Python's pylsl and pyzmq as they come, no middleware of ours: what is measured here is what
any program on this machine would pay.
"""

import json
import os
import sys
from collections.abc import Callable
from typing import Any

import pylsl
import zmq

from bci_core.clock import LslClock
from bci_core.errors import RunError
from bci_core.session.realtime import ask_for_realtime, freeze_garbage

FRAME_BYTES = 32
"""Of a trigger on the command path."""

END = b"end"
PATIENCE_S = 10.0

Orders = dict[str, Any]


def source(orders: Orders) -> dict[str, Any]:
    """Push samples at the rate they would have, each stamped just before."""
    clock = LslClock()
    info = pylsl.StreamInfo(
        "floor", "EEG", orders["n_channels"], orders["rate_hz"], "float32", orders["source_id"]
    )
    outlet = pylsl.StreamOutlet(info, 1, 2, pylsl.transp_sync_blocking)
    _say({"ready": True})
    if not outlet.wait_for_consumers(PATIENCE_S):
        raise RunError("floor: nobody came to hear the samples")
    sample = [0.0] * orders["n_channels"]
    freeze_garbage()
    start_s = clock.now_s()
    for k in range(orders["n_samples"]):
        clock.sleep_until(start_s + k / orders["rate_hz"])
        outlet.push_sample(sample, clock.now_s())
    # Closing the outlet would take away what has not been read yet.
    clock.sleep_until(clock.now_s() + 0.5)
    return {}


def relay(orders: Orders) -> dict[str, Any]:
    """Receive every sample; send a frame on after each `every` of them."""
    clock = LslClock()
    context = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.set(zmq.CURVE_SERVERKEY, orders["server_public"].encode())
    socket.set(zmq.CURVE_PUBLICKEY, orders["client_public"].encode())
    socket.set(zmq.CURVE_SECRETKEY, orders["client_secret"].encode())
    socket.connect(orders["endpoint"])
    found = pylsl.resolve_byprop("source_id", orders["source_id"], 1, PATIENCE_S)
    if not found:
        raise RunError("floor: the stream of samples was not found")
    inlet = pylsl.StreamInlet(found[0], max_buflen=2, recover=False)
    _say({"ready": True})
    inlet.open_stream(PATIENCE_S)
    _let_transport_go_first()
    pushed_s: list[float] = []
    received_s: list[float] = []
    sent_s: list[float] = []
    frame = bytes(FRAME_BYTES)
    freeze_garbage()
    while len(pushed_s) < orders["n_samples"]:
        _, stamp_s = inlet.pull_sample(timeout=1.0)
        now_s = clock.now_s()
        if stamp_s is None:
            break
        pushed_s.append(stamp_s)
        received_s.append(now_s)
        if len(pushed_s) % orders["every"] == 0:
            sent_s.append(clock.now_s())
            socket.send(frame)
    socket.send(END)
    context.destroy(linger=1000)
    return {"pushed_s": pushed_s, "received_s": received_s, "sent_s": sent_s}


def sink(orders: Orders) -> dict[str, Any]:
    """Receive the frames, each stamped just after."""
    clock = LslClock()
    context = zmq.Context()
    socket = context.socket(zmq.ROUTER)
    socket.set(zmq.CURVE_SERVER, 1)
    socket.set(zmq.CURVE_SECRETKEY, orders["server_secret"].encode())
    socket.bind("tcp://127.0.0.1:*")
    _let_transport_go_first()
    _say({"ready": socket.get_string(zmq.LAST_ENDPOINT).rstrip("\0")})
    arrived_s: list[float] = []
    freeze_garbage()
    while socket.recv_multipart()[1] != END:
        arrived_s.append(clock.now_s())
    context.destroy()
    return {"arrived_s": arrived_s}


ROLES: dict[str, Callable[[Orders], dict[str, Any]]] = {
    "source": source,
    "relay": relay,
    "sink": sink,
}


def _let_transport_go_first() -> None:
    """Real-time threads that liblsl and ZeroMQ have started before this go before this one."""
    if hasattr(os, "SCHED_FIFO") and os.sched_getscheduler(0) == os.SCHED_FIFO:
        os.sched_setparam(0, os.sched_param(os.sched_getparam(0).sched_priority - 1))


def _say(content: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Run the role named on the command line."""
    # As the nodes of a session: before the threads of liblsl and ZeroMQ are started.
    scheduling = ask_for_realtime()
    orders = json.loads(sys.stdin.readline())
    _say(ROLES[sys.argv[1]](orders) | {"scheduling": scheduling})


if __name__ == "__main__":
    main()
