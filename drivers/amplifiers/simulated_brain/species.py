"""What differs between the brains of rodents and of humans, with sources.

Frequencies, durations and rates are of the order that the sources give; amplitudes depend on
electrodes more than on anything else, and are a choice of ours, as everything without a
source is.
"""

from dataclasses import dataclass
from typing import Final, Literal

Species = Literal["rodent", "human"]

State = Literal["wake", "nrem", "rem"]
STATES: Final[tuple[State, ...]] = ("wake", "nrem", "rem")

Response = Literal["truncate", "prolong", "by_content", "none"]
"""Of a ripple under way to a pulse."""
RESPONSES: Final[tuple[Response, ...]] = ("none", "truncate", "prolong", "by_content")


@dataclass(frozen=True, slots=True)
class Brain:
    """Parameters of a species.

    Attributes
    ----------
    theta_hz, theta_sd_hz, gamma_hz : float
    slow_hz, spindle_hz, spindle_s, spindles_hz : float
        Slow oscillation; frequency, median duration and rate of spindles in NREM.
    ripple_hz : (float, float)
        Drawn evenly in between.
    ripple_s : float
        Median duration, end to end.
    ripples_nrem_hz, ripples_wake_hz : float
        Rates.
    background_uv, knee_hz, exponent : float
        1/f noise: standard deviation, where it becomes flat, steepness of its power above.
    theta_uv, gamma_uv, slow_uv, spindle_uv, ripple_uv, sharp_wave_uv : float
        Peaks, where they are largest.
    seizure_uv, evoked_uv : float
        Peak of a seizure; of an evoked response, for each mV of the neural mass.
    dwell_s : (float, float, float)
        Mean time in wake, NREM, REM.
    """

    theta_hz: float
    theta_sd_hz: float
    gamma_hz: float
    slow_hz: float
    spindle_hz: float
    spindle_s: float
    spindles_hz: float
    ripple_hz: tuple[float, float]
    ripple_s: float
    ripples_nrem_hz: float
    ripples_wake_hz: float
    background_uv: float
    knee_hz: float
    exponent: float
    theta_uv: float
    gamma_uv: float
    slow_uv: float
    spindle_uv: float
    ripple_uv: float
    sharp_wave_uv: float
    seizure_uv: float
    evoked_uv: float
    dwell_s: tuple[float, float, float]


SPECIES: Final[dict[Species, Brain]] = {
    # Theta 4-12 Hz (Buzsaki 2002, Neuron 33:325); gamma on theta (Colgin et al. 2009, Nature
    # 462:353); ripples of 110 to 200 Hz and 30 to 100 ms, about one in two seconds of
    # slow-wave sleep (Buzsaki 2015, Hippocampus 25:1073); slow oscillation and spindles of
    # rats, 10-15 Hz, with ripples in their troughs (Sirota et al. 2003, PNAS 100:2065).
    "rodent": Brain(
        theta_hz=8.0,
        theta_sd_hz=0.4,
        gamma_hz=60.0,
        slow_hz=1.2,
        spindle_hz=12.0,
        spindle_s=0.8,
        spindles_hz=0.1,
        ripple_hz=(140.0, 190.0),
        ripple_s=0.09,
        ripples_nrem_hz=0.6,
        ripples_wake_hz=0.1,
        background_uv=50.0,
        knee_hz=2.0,
        exponent=1.9,
        theta_uv=250.0,
        gamma_uv=40.0,
        slow_uv=250.0,
        spindle_uv=80.0,
        ripple_uv=150.0,
        sharp_wave_uv=150.0,
        seizure_uv=900.0,
        evoked_uv=40.0,
        dwell_s=(180.0, 150.0, 60.0),
    ),
    # Theta of the human hippocampus, about 3 to 8 Hz (Jacobs 2014, Phil Trans B 369:20130304);
    # slow oscillation below 1 Hz with spindles in its up states and ripples in the troughs of
    # spindles (Staresina et al. 2015, Nat Neurosci 18:1679); ripples of 80 to 120 Hz (Vaz et al.
    # 2019, Science 363:975); exponent of the background in sleep 1.5 to 3 (Lendner et al. 2020,
    # eLife 9:e55092); sleep cycles of about 90 minutes.
    "human": Brain(
        theta_hz=5.5,
        theta_sd_hz=0.5,
        gamma_hz=50.0,
        slow_hz=0.8,
        spindle_hz=13.5,
        spindle_s=1.0,
        spindles_hz=0.08,
        ripple_hz=(85.0, 110.0),
        ripple_s=0.1,
        ripples_nrem_hz=0.2,
        ripples_wake_hz=0.05,
        background_uv=20.0,
        knee_hz=1.0,
        exponent=1.9,
        theta_uv=40.0,
        gamma_uv=6.0,
        slow_uv=100.0,
        spindle_uv=25.0,
        ripple_uv=25.0,
        sharp_wave_uv=30.0,
        seizure_uv=500.0,
        evoked_uv=15.0,
        dwell_s=(900.0, 3600.0, 1200.0),
    ),
}
