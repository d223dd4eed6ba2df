"""The simulated brain as an amplifier: contract, seeds, chunks, and what it feels."""

from collections.abc import Sequence

import numpy as np
import pytest
from pydantic import ValidationError

from bci_core.clock import VirtualClock
from bci_core.errors import ConfigError, DeviceError
from bci_core.events import Emission
from bci_core.testing import check_amplifier
from drivers.amplifiers.simulated_brain.brain import SimulatedBrain
from drivers.amplifiers.simulated_brain.settings import SimulatedBrainSettings
from drivers.amplifiers.simulated_brain.truth import LABELS, Event

START_S = 1000.0
PULSE_UA, PHASE_S = 20.0, 200e-6


def settings(**changed: object) -> SimulatedBrainSettings:
    return SimulatedBrainSettings.model_validate({"n_channels": 4, **changed})


def pulses(
    onsets_s: Sequence[float], electrode: int = 1, amplitude_ua: float = PULSE_UA
) -> list[Emission]:
    """Biphasic, cathodic first."""
    out = []
    for onset_s in onsets_s:
        out.append(Emission(onset_s, onset_s + PHASE_S, electrode, -amplitude_ua))
        second_s = onset_s + PHASE_S + 60e-6
        out.append(Emission(second_s, second_s + PHASE_S, electrode, amplitude_ua))
    return out


def run(
    asked: SimulatedBrainSettings,
    seconds: float,
    emissions: Sequence[Emission] = (),
    wait_s: float = 0.01,
    told_within_s: float = 0.001,
) -> tuple[np.ndarray, np.ndarray, SimulatedBrain]:
    """Samples and truth; emissions are told after the read in which they have ended."""
    clock = VirtualClock(START_S)
    brain = SimulatedBrain(asked, clock)
    brain.open()
    waiting = sorted(emissions, key=lambda e: e.offset_s)
    samples = []
    while brain.counters.samples < seconds * asked.rate_hz:
        chunk = brain.read(wait_s)
        if chunk is not None:
            samples.append(chunk.samples)
        due = [e for e in waiting if e.offset_s <= clock.now_s() + told_within_s]
        waiting = waiting[len(due) :]
        brain.feel(due)
    n = round(seconds * asked.rate_hz)
    return np.concatenate(samples)[:n], brain.truth(), brain


def of_kind(truth: np.ndarray, event: Event) -> np.ndarray:
    return truth[truth[:, LABELS.index("event")] == event]


@pytest.mark.parametrize("changed", [{}, {"unit_channels": True, "rate_hz": 500.0}])
def test_it_keeps_the_amplifiers_contract(changed: dict[str, object]) -> None:
    check_amplifier(lambda clock: SimulatedBrain(settings(**changed), clock), clock=VirtualClock())


@pytest.mark.parametrize("block_s", [0.0, 0.003, 0.05])
def test_samples_do_not_depend_on_how_they_are_read(block_s: float) -> None:
    schedule = (("wake", 2.0), ("nrem", 2.0))
    asked = settings(
        unit_channels=True, schedule=schedule, cues_hz=1.0, feel_delay_s=0.06, seizures_per_h=900.0
    )
    stimuli = pulses(START_S + np.arange(0.5, 4.0, 0.31)) + pulses([START_S + 1.2], electrode=5)
    usual, truth, _ = run(asked, 5.0, stimuli)
    other = asked.model_copy(update={"block_s": block_s})
    same, same_truth, _ = run(other, 5.0, stimuli)
    np.testing.assert_array_equal(same, usual)
    order = np.lexsort(truth.T[::-1])
    same_order = np.lexsort(same_truth.T[::-1])
    n = min(len(order), len(same_order))
    assert n > 40
    np.testing.assert_array_equal(same_truth[same_order][:n], truth[order][:n])


def test_the_seed_decides() -> None:
    first, _, _ = run(settings(), 1.0)
    np.testing.assert_array_equal(run(settings(), 1.0)[0], first)
    assert not np.array_equal(run(settings(seed=1), 1.0)[0], first)


@pytest.mark.parametrize(
    ("rate_hz", "n_channels"), [(100.0, 1), (100.0, 3), (30_000.0, 2), (250.0, 1024)]
)
def test_any_rate_and_number_of_channels(rate_hz: float, n_channels: int) -> None:
    samples, _, _ = run(settings(rate_hz=rate_hz, n_channels=n_channels), 0.3, wait_s=0.03)
    assert samples.shape == (round(0.3 * rate_hz), n_channels)
    assert np.isfinite(samples).all()
    assert (samples.std(axis=0) > 0.0).all()


def test_what_leaves_the_stimulator_shows_after_its_delay() -> None:
    quiet, _, _ = run(settings(), 1.0)
    onset_s = START_S + 0.5003
    samples, truth, brain = run(settings(), 1.0, pulses([onset_s]))
    first = int(np.flatnonzero((samples != quiet).any(axis=1))[0])
    assert first == 505  # 500.3 ms and 4 ms, at 1 kHz
    stimuli = of_kind(truth, Event.STIMULUS)
    assert len(stimuli) == 2
    assert stimuli[0, LABELS.index("onset_s")] == pytest.approx(onset_s + 0.004)
    assert stimuli[0, LABELS.index("value")] == -PULSE_UA
    assert brain.model.drive.late == 0


def test_what_is_told_too_late_is_felt_at_once_and_counted() -> None:
    asked = settings(feel_delay_s=0.0)
    quiet, _, _ = run(asked, 1.0)
    samples, _, brain = run(asked, 1.0, pulses([START_S + 0.5003]), told_within_s=-0.1)
    first = int(np.flatnonzero((samples != quiet).any(axis=1))[0])
    assert 600 <= first <= 608
    assert brain.model.drive.late == 1


def test_nothing_is_felt_or_read_when_closed() -> None:
    brain = SimulatedBrain(settings(), VirtualClock())
    for ask in (lambda: brain.read(0.1), lambda: brain.feel([]), brain.truth):
        with pytest.raises(DeviceError, match="not open"):
            ask()


@pytest.mark.parametrize(
    "changed", [{"rate_hz": 50.0}, {"species": "mouse"}, {"schedule": [["awake", 3.0]]}, {"x": 1}]
)
def test_settings_that_make_no_sense_are_refused(changed: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        settings(**changed)


def test_an_odd_electrode_must_exist() -> None:
    brain = SimulatedBrain(settings(odd_impedances_kohm={"nowhere": 5.0}), VirtualClock())
    with pytest.raises(ConfigError, match="'nowhere' is no channel"):
        brain.open()


def test_more_current_than_it_can_feel_is_an_error() -> None:
    clock = VirtualClock(START_S)
    brain = SimulatedBrain(settings(), clock)
    brain.open()
    brain.read(0.1)
    brain.feel(pulses([START_S + 0.01] * 300))
    clock.sleep_until(START_S + 0.1)
    with pytest.raises(DeviceError, match="600 phases of current fall into one block"):
        brain.read(0.1)
