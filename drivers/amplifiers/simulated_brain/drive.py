"""What has left the stimulator, as the tissue feels it.

An emission takes effect a fixed time, `feel_delay_s`, after it has left: on the first sample
that comes later than that. A read hands samples out before anybody can know what leaves the
device meanwhile, so there has to be such a time, and it has to be longer than what lies
between two reads and what the report takes on its way. Then the samples do not depend on how
they are read. What comes later all the same takes effect on the next sample, and is counted.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bci_core.errors import DeviceError
from bci_core.events import Emission
from drivers.amplifiers.simulated_brain import tracks as t

MAX_PHASES: Final = 512
"""Phases of current in one block that the front end is shown; more are an error."""
TOGETHER_S: Final = 0.03
"""Sites that are stimulated within about this time count as one pattern."""


class Drive:
    """Keeps what is to come, and writes it into the tracks.

    Parameters
    ----------
    rate_hz : float
    delay_s : float
        See the module.
    half_ua, slope_ua : float
        Current that recruits half of the tissue, of a long pulse, and the slope there.
    chronaxie_us : float
        Length of a pulse that needs twice the current of a long one (Lapicque).
    half_db, slope_db : float
        The same for the level of a click.
    patterns : ndarray, (n_patterns, n_sites)
        1 where a pattern has units.
    """

    def __init__(
        self,
        rate_hz: float,
        delay_s: float,
        half_ua: float,
        slope_ua: float,
        chronaxie_us: float,
        half_db: float,
        slope_db: float,
        patterns: NDArray[np.float64],
    ) -> None:
        self._rate_hz = rate_hz
        self._delay_s = delay_s
        self._current = (half_ua, slope_ua)
        self._chronaxie_us = chronaxie_us
        self._level = (half_db, slope_db)
        norms = np.sqrt((patterns**2).sum(axis=1, keepdims=True))
        self._patterns = patterns / norms
        self._driven = np.zeros(patterns.shape[1])
        self._driven_at = 0.0
        self._coming: list[tuple[float, float, int, float, bool]] = []
        self._on: list[tuple[float, float, int, float, bool]] = []
        self._phases = np.zeros((MAX_PHASES, 4))
        self._written = False
        self.late = 0

    def feel(self, emissions: Sequence[Emission], t0_s: float, given: int) -> float:
        """Take what has left the device.

        Parameters
        ----------
        emissions : sequence of Emission
        t0_s : float
            Time of sample 0.
        given : int
            How many samples have been handed out.

        Returns
        -------
        float
            Seconds from leaving to taking effect.
        """
        if not emissions:
            return self._delay_s
        first_s = min(e.onset_s for e in emissions)
        delay_s = max(self._delay_s, t0_s + (given - 1) / self._rate_hz - first_s)
        self.late += delay_s > self._delay_s
        n_sites = self._patterns.shape[1]
        for e in emissions:
            onset = (e.onset_s + delay_s - t0_s) * self._rate_hz
            offset = (e.offset_s + delay_s - t0_s) * self._rate_hz
            site = (e.channel - 1) % n_sites
            # The rounding of a time must not put it before what has been given.
            onset = max(onset, float(given - 1))
            self._coming.append((onset, max(onset, offset), site, e.amplitude, e.unit != "uA"))
        self._coming.sort()
        return delay_s

    def fill(self, tracks: NDArray[np.float64], first: int) -> None:
        """Write the columns of stimulation for samples from `first` on."""
        n = len(tracks)
        self._on = [phase for phase in self._on if phase[1] > first - 1]
        while self._coming and self._coming[0][0] < first + n - 1:
            phase = self._coming.pop(0)
            onset, offset, site, amplitude, is_sound = phase
            # The front end averages over (k - 1, k], so what begins there shows at k.
            row = tracks[int(np.floor(onset)) + 1 - first]
            self._written = True
            if is_sound:
                row[t.SOUND] = max(row[t.SOUND], _share(amplitude, *self._level))
                continue
            self._on.append(phase)
            if amplitude < 0.0:
                self._pulse(row, onset, (offset - onset) / self._rate_hz, site, -amplitude)

    def phases(self) -> tuple[NDArray[np.float64], int]:
        """Phases of current of the last block filled, for the front end, and how many.

        Raises
        ------
        DeviceError
            There are more than `MAX_PHASES`.
        """
        n = len(self._on)
        if n > MAX_PHASES:
            raise DeviceError(
                f"{n} phases of current fall into one block of the simulated brain, limit "
                f"{MAX_PHASES}; set a shorter block_s, or read it more often"
            )
        for k in range(n):
            self._phases[k] = self._on[k][:4]
        return self._phases, n

    def cleared(self, tracks: NDArray[np.float64]) -> None:
        """Zero the columns, which the next block finds as this one leaves them."""
        if self._written:
            tracks[:, : t.SOUND + 1] = 0.0
            self._written = False

    def recruits(self, amplitude_ua: float, phase_us: float) -> float:
        """Share of the tissue at an electrode that a pulse recruits, 0 to 1."""
        return _share(amplitude_ua * phase_us / (phase_us + self._chronaxie_us), *self._current)

    def _pulse(
        self, row: NDArray[np.float64], onset: float, phase_s: float, site: int, amplitude_ua: float
    ) -> None:
        recruited = self.recruits(amplitude_ua, phase_s * 1e6)
        row[t.CHARGE] += amplitude_ua * phase_s
        if recruited > row[t.RECRUIT]:
            row[t.RECRUIT], row[t.SITE] = recruited, site
        self._driven *= np.exp((self._driven_at - onset) / (TOGETHER_S * self._rate_hz))
        self._driven_at = onset
        self._driven[site] = max(self._driven[site], recruited)
        norm = float(np.sqrt((self._driven**2).sum()))
        if norm > 0.0:
            alike = self._patterns @ self._driven / norm
            row[t.MATCHED] = best = int(np.argmax(alike))
            row[t.MATCH] = alike[best]


def _share(amount: float, half: float, slope: float) -> float:
    """A sigmoid, taken down to nothing where the amount is nothing."""
    nothing = 1.0 / (1.0 + np.exp(half / slope))
    share = 1.0 / (1.0 + np.exp((half - amount) / slope))
    return float(max(0.0, (share - nothing) / (1.0 - nothing)))
