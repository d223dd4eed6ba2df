"""What can be set of the simulated brain."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from drivers.amplifiers.simulated_brain.species import Response, Species, State

_Amount = Annotated[float, Field(ge=0.0, le=1e6)]
_Rate = Annotated[float, Field(ge=0.0, le=100.0)]
_Share = Annotated[float, Field(ge=0.0, le=1.0)]


class SimulatedBrainSettings(BaseModel):
    """Section ``[amplifier]`` of a rig with ``driver = "simulated_brain"``.

    Attributes
    ----------
    rate_hz : float
    n_channels : int
        Half of them, rounded up, in the hippocampus (``hpc001`` and so on), the others in the
        cortex (``ctx001``).
    unit_channels : bool
        Whether a channel for each unit follows (``unit001``): its spikes in each sample.
    seed : int
        Of everything that is drawn.
    block_s : float
        Samples are handed out in blocks of about this length, as a board sends packets.
    species : "rodent" or "human"
    start : "wake", "nrem" or "rem"
    schedule : tuple of (state, seconds)
        Instead of states that come by chance: these, over and over.
    seizures_per_h : float
        That come by themselves.
    n_units, n_sites, n_patterns, sites_per_pattern : int
        Units lie around the sites of stimulation, evenly; a pattern is all units of some sites.
    background_ratio : float
        Multiplies the species' background.
    line_uv, mains_hz, drift_uv : float
        Peak and frequency of the mains; standard deviation of slow drift.
    blink_uv, movement_uv, muscle_uv : float
        Peaks of blinks and movement; standard deviation of muscle activity at its peak.
    blinks_hz, movements_hz, muscle_hz : float
        Events a second while awake.
    theta_gamma_coupling : float
        How deep theta modulates gamma.
    range_uv, bits, recovery_s : float, int, float
        Of the front end: the largest value it can show, its resolution, and the time constant
        with which it recovers from more.
    impedance_kohm : float
        Median over electrodes. Each has thermal noise to it.
    odd_impedances_kohm : dict of str to float
        Of electrodes that are not like the rest: broken, or off.
    lead_off_hz, lead_off_na : float
        A tone through the electrodes that measures them; 0 for none.
    feel_delay_s : float
        When what leaves a stimulator takes effect: see ``docs/simulated-brain.md``.
    recruit_half_ua, recruit_slope_ua, chronaxie_us : float
        A long pulse of `recruit_half_ua` recruits half of the tissue at its electrode; one of
        `chronaxie_us` needs twice as much.
    sound_half_db, sound_slope_db : float
        The same for clicks.
    pitch_mm : float
        From one channel to the next, for the size of artefacts.
    artefact_ratio : float
        Multiplies artefacts; 0 for none.
    ripple_response : "truncate", "prolong", "by_content" or "none"
        What a pulse does to a ripple under way.
    prolong_s, suppress_s : float
        By how much a ripple is drawn out at most; how long few begin after a pulse.
    phase_reset : float
        How far a pulse that recruits everything moves theta towards its reset phase.
    reset_phase_deg : float
    entrain_rad : float
        How far a stimulus moves the slow oscillation at most.
    afterdischarge_ratio : float
        Multiplies the hazard of afterdischarges; 0 for none.
    seizure_stop : float
        Chance that a train given at the onset of a seizure ends it.
    cues_hz : float
        How often, in wake, a pattern is cued, and recalled as far as it is stored.
    strength : float
        Of each pattern's connections at the beginning.
    ripple_learning, cue_learning, stimulus_learning : float
        Part of the way to full strength that a connection goes at most with a reactivation,
        with a cue; and how many times more where the right pattern is stimulated meanwhile.
    forgetting_s : float
        Time constant with which connections weaken.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    rate_hz: float = Field(default=1000.0, ge=100.0, le=30_000.0)
    n_channels: int = Field(default=16, ge=1, le=1024)
    unit_channels: bool = False
    seed: int = Field(default=0, ge=0)
    block_s: float = Field(default=0.004, ge=0.0, le=0.05)
    species: Species = "rodent"
    start: State = "wake"
    schedule: tuple[tuple[State, Annotated[float, Field(gt=0.0, le=1e6)]], ...] = ()
    seizures_per_h: float = Field(default=0.0, ge=0.0, le=3600.0)
    n_units: int = Field(default=64, ge=1, le=512)
    n_sites: int = Field(default=16, ge=1, le=96)
    n_patterns: int = Field(default=4, ge=1, le=64)
    sites_per_pattern: int = Field(default=3, ge=1, le=96)
    background_ratio: float = Field(default=1.0, ge=0.0, le=1000.0)
    line_uv: _Amount = 5.0
    mains_hz: float = Field(default=50.0, ge=45.0, le=65.0)
    drift_uv: _Amount = 30.0
    blink_uv: _Amount = 150.0
    movement_uv: _Amount = 500.0
    muscle_uv: _Amount = 40.0
    blinks_hz: _Rate = 0.1
    movements_hz: _Rate = 0.02
    muscle_hz: _Rate = 0.05
    theta_gamma_coupling: _Share = 0.8
    range_uv: float = Field(default=6400.0, gt=0.0, le=1e6)
    bits: int = Field(default=16, ge=8, le=32)
    recovery_s: float = Field(default=0.003, gt=0.0, le=1.0)
    impedance_kohm: float = Field(default=100.0, gt=0.0, le=1e6)
    odd_impedances_kohm: dict[str, Annotated[float, Field(gt=0.0, le=1e6)]] = {}
    lead_off_hz: float = Field(default=0.0, ge=0.0, le=10_000.0)
    lead_off_na: float = Field(default=6.0, ge=0.0, le=1e6)
    feel_delay_s: float = Field(default=0.004, ge=0.0, le=1.0)
    recruit_half_ua: float = Field(default=5.0, gt=0.0, le=1e5)
    recruit_slope_ua: float = Field(default=1.0, gt=0.0, le=1e5)
    chronaxie_us: float = Field(default=200.0, ge=0.0, le=1e5)
    sound_half_db: float = Field(default=50.0, gt=0.0, le=150.0)
    sound_slope_db: float = Field(default=4.0, gt=0.0, le=100.0)
    pitch_mm: float = Field(default=0.5, gt=0.0, le=100.0)
    artefact_ratio: float = Field(default=1.0, ge=0.0, le=1e4)
    ripple_response: Response = "truncate"
    prolong_s: float = Field(default=0.1, ge=0.0, le=10.0)
    suppress_s: float = Field(default=0.2, ge=0.0, le=60.0)
    phase_reset: _Share = 1.0
    reset_phase_deg: float = Field(default=0.0, ge=-360.0, le=360.0)
    entrain_rad: float = Field(default=0.8, ge=0.0, le=3.0)
    afterdischarge_ratio: float = Field(default=1.0, ge=0.0, le=1e6)
    seizure_stop: _Share = 0.6
    cues_hz: _Rate = 0.05
    strength: _Share = 0.3
    ripple_learning: _Share = 0.01
    cue_learning: _Share = 0.02
    stimulus_learning: float = Field(default=3.0, ge=0.0, le=100.0)
    forgetting_s: float = Field(default=1800.0, gt=0.0, le=1e9)
