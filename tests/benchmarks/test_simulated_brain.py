"""How fast the simulated brain is, alone and in the loop, as multiples of real time.

    make bench, or: python -m pytest tests/benchmarks/test_simulated_brain.py -s

Time is that of the processor, so that a busy machine shows less; it shows all the same.
"""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from bci_core.clock import VirtualClock
from bci_core.config.load import load_rig
from bci_core.session import simulate
from drivers.amplifiers.simulated_brain.brain import SimulatedBrain
from drivers.amplifiers.simulated_brain.settings import SimulatedBrainSettings


def process_time() -> float:
    return sum(os.times()[:2])


class Silent:
    def say(self, text: str) -> None: ...
    def show(self, state: dict[str, object]) -> None: ...


@pytest.mark.parametrize(
    ("n_channels", "rate_hz", "seconds"),
    [(64, 1000.0, 60.0), (256, 2000.0, 10.0), (1024, 1000.0, 5.0), (64, 30_000.0, 2.0)],
)
def test_alone(n_channels: int, rate_hz: float, seconds: float) -> None:
    clock = VirtualClock()
    brain = SimulatedBrain(SimulatedBrainSettings(n_channels=n_channels, rate_hz=rate_hz), clock)
    brain.open()
    begun_s = process_time()
    while clock.now_s() < seconds:
        brain.read(0.01)
    speed = seconds / (process_time() - begun_s)
    print(f"alone, {n_channels} channels, {rate_hz:g} Hz: {speed:.1f} times real time")  # noqa: T201


@pytest.mark.parametrize("n_channels", [8, 64])
def test_in_the_loop(n_channels: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulate, "finish", lambda _folder, _progress: {})
    rig = load_rig("brain-ripple-disruption")
    settings = rig.amplifier.settings.model_copy(update={"n_channels": n_channels})
    rig = replace(rig, amplifier=replace(rig.amplifier, settings=settings))
    simulate.simulate_session(rig, "bench", tmp_path, Silent(), 1.0)
    begun_s = process_time()
    simulate.simulate_session(rig, "bench", tmp_path, Silent(), 60.0)
    speed = 60.0 / (process_time() - begun_s)
    print(f"bci simulate, {n_channels} channels, 1000 Hz: {speed:.1f} times real time")  # noqa: T201
