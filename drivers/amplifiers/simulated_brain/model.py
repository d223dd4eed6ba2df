"""All layers of the simulated brain, one after the other over a block of samples."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bci_core.errors import ConfigError, Problem
from bci_core.events import Emission
from drivers.amplifiers.simulated_brain import background, front_end, geometry, memory, units
from drivers.amplifiers.simulated_brain.columns import columns_layer
from drivers.amplifiers.simulated_brain.contamination import contamination_layer
from drivers.amplifiers.simulated_brain.drive import Drive
from drivers.amplifiers.simulated_brain.pipeline import MEMORY, Stack
from drivers.amplifiers.simulated_brain.random_numbers import seeded
from drivers.amplifiers.simulated_brain.ripples import ripples_layer
from drivers.amplifiers.simulated_brain.seizures import seizures_layer
from drivers.amplifiers.simulated_brain.settings import SimulatedBrainSettings
from drivers.amplifiers.simulated_brain.sleep import sleep_layer
from drivers.amplifiers.simulated_brain.species import SPECIES
from drivers.amplifiers.simulated_brain.states import states_layer
from drivers.amplifiers.simulated_brain.theta import theta_layer
from drivers.amplifiers.simulated_brain.tracks import CONTENT, CUED, N_TRACKS
from drivers.amplifiers.simulated_brain.truth import Event, TruthLog

MAX_BLOCK = 1024
BODY_KELVIN = 310.0
BOLTZMANN = 1.380649e-23
MAX_SOURCES = 16
IMPEDANCE_SPREAD = 0.2


class Model:
    """The brain, its electrodes and the front end.

    Parameters
    ----------
    settings : SimulatedBrainSettings

    Raises
    ------
    ConfigError
        The settings contradict each other.
    """

    def __init__(self, settings: SimulatedBrainSettings) -> None:
        self._settings = s = settings
        seeds = iter(np.random.SeedSequence(s.seed).spawn(16))
        rng = np.random.default_rng(next(seeds))
        brain = SPECIES[s.species]
        self._labels = geometry.labels(s.n_channels, 0)
        self.patterns = _patterns(s, rng)
        self.truth = TruthLog(s.rate_hz)
        self.drive = Drive(
            s.rate_hz,
            s.feel_delay_s,
            s.recruit_half_ua,
            s.recruit_slope_ua,
            s.chronaxie_us,
            s.sound_half_db,
            s.sound_slope_db,
            self.patterns,
        )
        turn = np.pi / 180.0
        sites = units.unit_sites(s.n_units, s.n_sites)
        members = np.ascontiguousarray(self.patterns[:, sites])
        layers = (
            states_layer(s.rate_hz, brain.dwell_s, s.start, s.schedule, next(seeds)),
            theta_layer(
                s.rate_hz,
                brain,
                s.theta_gamma_coupling,
                np.pi,
                s.phase_reset,
                s.reset_phase_deg * turn,
                next(seeds),
            ),
            sleep_layer(s.rate_hz, brain, s.entrain_rad, next(seeds)),
            seizures_layer(
                s.rate_hz, s.seizures_per_h, s.afterdischarge_ratio, s.seizure_stop, next(seeds)
            ),
            ripples_layer(
                s.rate_hz,
                brain,
                s.n_patterns,
                s.ripple_response,
                s.prolong_s,
                s.suppress_s,
                next(seeds),
            ),
            columns_layer(s.rate_hz, s.n_sites, next(seeds)),
            contamination_layer(
                s.rate_hz, s.mains_hz, s.blinks_hz, s.movements_hz, s.muscle_hz, next(seeds)
            ),
            memory.memory_layer(
                s.rate_hz,
                members,
                s.strength,
                s.cues_hz,
                (s.ripple_learning, s.cue_learning, s.stimulus_learning),
                s.forgetting_s,
                next(seeds),
            ),
        )
        self._stack = Stack(layers)
        self._n_units = s.n_units if s.unit_channels else 0
        self._units = units.units_settings(s.rate_hz, memory.WINDOW_S, members, sites, rng)
        self._units_state = np.zeros(1 + s.n_units)
        self._units_random = seeded(next(seeds))
        self._tracks = np.zeros((MAX_BLOCK, N_TRACKS))
        self._tracks[:, CONTENT] = self._tracks[:, CUED] = -1.0
        self._given = 0
        self._prepare_channels(rng, next(seeds))

    def _prepare_channels(self, rng: np.random.Generator, sequence: np.random.SeedSequence) -> None:
        s, n = self._settings, self._settings.n_channels
        brain = SPECIES[s.species]
        added = geometry.Contamination(s.line_uv, s.blink_uv, s.movement_uv)
        self._gains = geometry.wave_gains(n, brain, added, rng)
        self._shares = geometry.mixing(min(n, MAX_SOURCES), n, rng)
        self._artefacts = geometry.artefact_gains(s.n_sites, n, s.pitch_mm) * s.artefact_ratio
        impedances_kohm = self._impedances_kohm(rng)
        thermal_uv = 1e6 * np.sqrt(
            4.0 * BOLTZMANN * BODY_KELVIN * impedances_kohm * 1e3 * s.rate_hz / 2.0
        )
        # Nanoamperes through kilohms are microvolts.
        self._tone_uv = s.lead_off_na * impedances_kohm * (s.lead_off_hz > 0.0)
        self._per_channel = np.stack([thermal_uv, geometry.muscle_gains(n)])
        self._background = background.background_settings(
            s.rate_hz,
            brain.background_uv * s.background_ratio,
            brain.knee_hz,
            brain.exponent,
            s.muscle_uv / np.sqrt(2.0),  # of differenced noise
            s.drift_uv,
        )
        self._front_end = front_end.front_end_settings(
            s.rate_hz, s.range_uv, s.bits, s.recovery_s, s.lead_off_hz
        )
        self._poles = np.zeros((len(self._shares), background.N_POLES))
        self._channels = np.zeros((2, n))
        self._left = np.zeros((3, n))
        self._random = seeded(sequence)
        self._tissue = np.zeros((MAX_BLOCK, n))

    def _impedances_kohm(self, rng: np.random.Generator) -> NDArray[np.float64]:
        s = self._settings
        unknown = sorted(set(s.odd_impedances_kohm) - set(self._labels))
        if unknown:
            raise ConfigError(
                "simulated_brain",
                [
                    Problem("odd_impedances_kohm", f"{label!r} is no channel of it")
                    for label in unknown
                ],
            )
        spread = np.exp(IMPEDANCE_SPREAD * rng.standard_normal(s.n_channels))
        impedances_kohm = s.impedance_kohm * spread
        for label, odd_kohm in s.odd_impedances_kohm.items():
            impedances_kohm[self._labels.index(label)] = odd_kohm
        return np.asarray(impedances_kohm)

    def advance(self, n: int, t0_s: float) -> NDArray[np.float32]:
        """The next `n` samples, at most `MAX_BLOCK`, (n, n_channels), in microvolts."""
        tracks, tissue = self._tracks[:n], self._tissue[:n]
        samples = np.empty((n, self._settings.n_channels + self._n_units), dtype=np.float32)
        self.drive.fill(tracks, self._given)
        self._stack.run(tracks, self.truth.buffer)
        background.advance(
            tissue,
            tracks,
            self._background,
            self._gains,
            self._shares,
            self._per_channel,
            self._poles,
            self._channels,
            self._random,
        )
        phases, n_phases = self.drive.phases()
        front_end.advance(
            samples,
            tissue,
            phases,
            n_phases,
            self._given,
            self._artefacts,
            self._front_end,
            self._tone_uv,
            self._left,
        )
        if self._n_units:
            first = self._settings.n_channels
            units.advance(
                samples, first, tracks, self._units, self._units_state, self._units_random
            )
        self.drive.cleared(tracks)
        self.truth.collect(t0_s)
        self._given += n
        return samples

    def strengths(self) -> NDArray[np.float64]:
        """Mean connection within each stored pattern, as of the last time it changed."""
        return memory.strengths(*self._stack.layer(MEMORY))

    def feel(self, emissions: Sequence[Emission], t0_s: float) -> None:
        """Take what has left a stimulator."""
        delay_s = self.drive.feel(emissions, t0_s, self._given)
        for e in emissions:
            onset_s, offset_s = e.onset_s + delay_s, e.offset_s + delay_s
            self.truth.add(Event.STIMULUS, e.channel, onset_s, offset_s, e.amplitude)


def _patterns(s: SimulatedBrainSettings, rng: np.random.Generator) -> NDArray[np.float64]:
    """Sites of each pattern, (n_patterns, n_sites): 1 where it has units."""
    patterns = np.zeros((s.n_patterns, s.n_sites))
    size = min(s.sites_per_pattern, s.n_sites)
    for pattern in patterns:
        pattern[rng.choice(s.n_sites, size, replace=False)] = 1.0
    return patterns
