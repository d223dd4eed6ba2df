"""What the bare transport takes on this machine: LSL, then a ZeroMQ hop, nothing between.

::

    source ── LSL ──▶ relay ── ZeroMQ, TCP, CURVE ──▶ sink

Three processes, as amplifier, loop and stimulator are, at the same rate, number of
channels and pace of frames, with the same scheduling: what any program would pay here.
It is no strict bound for a single stage, since a machine with less to do sleeps more
deeply, and wakes more slowly.
"""

import json
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zmq
from numpy.typing import NDArray

from bci_core.config.rig import LslSettings
from bci_core.errors import NodeError
from bci_core.session import privacy

END_S = 15.0
"""How much longer than its samples last a process may take, its start included."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Floor:
    """One measurement of the floor.

    Attributes
    ----------
    lsl_echo_ms : ndarray, (n_samples,)
        Each sample, from pushed to received.
    zmq_hop_ms : ndarray, (n_frames,)
        Each frame, from sent to received there.
    floor_ms : ndarray, (n_frames,)
        Both, of the sample that a frame follows and of that frame.
    scheduling : str
        What the system granted to the processes.
    """

    lsl_echo_ms: Floats
    zmq_hop_ms: Floats
    floor_ms: Floats
    scheduling: str


def measure_floor(rate_hz: float, n_channels: int, pace_hz: float, duration_s: float) -> Floor:
    """Run the three bare processes.

    Parameters
    ----------
    rate_hz : float
        Of the samples.
    n_channels : int
    pace_hz : float
        Frames a second; rounded so that each follows a sample.
    duration_s : float

    Raises
    ------
    NodeError
        A process failed; the message repeats its last words.
    """
    (server_public, server_secret), (client_public, client_secret) = (
        tuple(key.decode() for key in zmq.curve_keypair()) for _ in range(2)
    )
    stream = {
        "source_id": f"floor-{uuid.uuid4().hex}",
        "n_channels": n_channels,
        "rate_hz": rate_hz,
        "n_samples": round(rate_hz * duration_s),
    }
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bci-floor-")))
        sink = stack.enter_context(_Bare("sink", folder))
        source = stack.enter_context(_Bare("source", folder))
        relay = stack.enter_context(_Bare("relay", folder))
        endpoint = sink.start({"server_secret": server_secret})
        source.start(stream)
        relay.start(
            stream
            | {
                "every": max(1, round(rate_hz / pace_hz)),
                "endpoint": endpoint,
                "server_public": server_public,
                "client_public": client_public,
                "client_secret": client_secret,
            }
        )
        told = relay.result(duration_s + END_S) | sink.result(END_S)
        source.result(END_S)
    return _floor(told)


def _floor(told: Mapping[str, Any]) -> Floor:
    received_s = np.array(told["received_s"])
    echo_s = received_s - np.array(told["pushed_s"])
    sent_s = np.array(told["sent_s"])
    hop_s = np.array(told["arrived_s"]) - sent_s
    # A frame follows the last sample received before it was sent.
    led = np.searchsorted(received_s, sent_s, side="right") - 1
    return Floor(
        lsl_echo_ms=echo_s * 1e3,
        zmq_hop_ms=hop_s * 1e3,
        floor_ms=(echo_s[led] + hop_s) * 1e3,
        scheduling=str(told["scheduling"]),
    )


class _Bare:
    """A process of `floor_node`; ends with the ``with`` block at the latest."""

    def __init__(self, role: str, folder: Path) -> None:
        self._role = role
        self._log = folder / f"{role}.log"
        config = folder / "lsl_api.cfg"
        config.write_text(privacy.lsl_configuration(LslSettings()), "utf-8")
        with self._log.open("wb") as sink:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", "bci_core.bench.floor_node", role],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=sink,
                text=True,
                env=os.environ | {"LSLAPICFG": str(config)},
            )

    def start(self, orders: Mapping[str, Any]) -> Any:
        """Hand over the orders; what the process says when it is ready."""
        assert self._process.stdin is not None  # noqa: S101 - a pipe, as asked for above
        assert self._process.stdout is not None  # noqa: S101
        try:
            self._process.stdin.write(json.dumps(orders) + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())["ready"]
        except (OSError, ValueError) as error:
            raise self._failed("did not start") from error

    def result(self, timeout_s: float) -> dict[str, Any]:
        """Wait for its end and what it measured."""
        try:
            said, _ = self._process.communicate(timeout=timeout_s)
            return dict(json.loads(said))
        except subprocess.TimeoutExpired as error:
            raise self._failed(f"did not end within {timeout_s:g} s") from error
        except ValueError as error:
            raise self._failed("ended without a result") from error

    def _failed(self, how: str) -> NodeError:
        words = self._log.read_text("utf-8", "replace").strip().splitlines()
        last = f": {words[-1]}" if words else ""
        return NodeError(f"floor: the {self._role} process {how}{last}")

    def __enter__(self) -> "_Bare":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
