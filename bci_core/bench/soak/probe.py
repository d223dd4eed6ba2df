"""Watches a simulation from inside its process."""

import os
from collections.abc import Mapping
from typing import Any

import psutil

from bci_core.bench.child import Say
from bci_core.bench.soak.story import Story
from bci_core.clock import Clock
from bci_core.session.health import take

SAID_EVERY_S = 10.0


class Probe:
    """The progress of a simulation, which takes a reading whenever it is shown something.

    Parameters
    ----------
    say : callable (str)
    clock : Clock
        Real time.

    Attributes
    ----------
    story : Story
        Holds what was read.
    """

    def __init__(self, say: Say, clock: Clock) -> None:
        self.story = Story()
        self.say = say
        self._clock = clock
        self._begun_s = self._said_s = clock.now_s()
        self._process = psutil.Process()
        self._first_cpu_s = self._last_cpu_s = self._cpu_s()
        self._elapsed_s = 0.0

    def show(self, state: Mapping[str, Any]) -> None:
        """Take a reading; tell of it every `SAID_EVERY_S` of real time."""
        elapsed_s, cpu_s = float(state["elapsed_s"]), self._cpu_s()
        taken = take(os.getpid())
        if taken is not None:
            self.story.take(elapsed_s, "simulation", taken)
        per_second = (cpu_s - self._last_cpu_s) / (elapsed_s - self._elapsed_s)
        self.story.cpu_ms.add(elapsed_s, 1e3 * per_second)
        self.story.lost.add(elapsed_s, float(state["lost"]))
        self._elapsed_s, self._last_cpu_s = elapsed_s, cpu_s
        now_s = self._clock.now_s()
        if now_s - self._said_s < SAID_EVERY_S:
            return
        self._said_s = now_s
        speed = elapsed_s / (now_s - self._begun_s)
        left_min = (float(state["duration_s"]) - elapsed_s) / speed / 60.0
        memory = "" if taken is None else f"{taken['rss_kib'] / 1024.0:.1f} MiB, "
        self.say(
            f"{elapsed_s / 3600.0:.2f} of {state['duration_s'] / 3600.0:g} simulated hours, "
            f"{speed:.0f} × real time, {memory}{state['samples']} samples, {state['lost']} lost, "
            f"{state['detections']} detections; {left_min:.0f} min left"
        )

    def figures(self) -> dict[str, float]:
        """How fast it went."""
        took_s = self._clock.now_s() - self._begun_s
        cpu_s = self._last_cpu_s - self._first_cpu_s
        return {
            "took_s": took_s,
            "cpu_s": cpu_s,
            "times_real_time": self._elapsed_s / took_s,
            "times_real_time_of_cpu": self._elapsed_s / cpu_s,
        }

    def _cpu_s(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)
