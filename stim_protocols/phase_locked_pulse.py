"""One pulse at a predicted phase of an oscillation, where the phase is known well enough."""

from typing import ClassVar

from pydantic import BaseModel

from bci_core.events import Decision, Trigger
from bci_core.safety.limits import at_most
from bci_core.stimulus import StimProgram
from stim_protocols.pulse_settings import Amount, PulseSettings, single
from stim_protocols.triggers import ONLY, Pause, one_trigger


class PhaseLockedPulseSettings(PulseSettings):
    """Section ``[protocol]`` of a rig with ``kind = "phase_locked_pulse"``.

    Which phase is the detector's to say (``target_deg``). Zanos et al. 2018 (Curr Biol
    28:2515) gave single pulses at a phase of the beta rhythm of motor cortex, about 20 Hz,
    half a second apart or more; Siegle and Wilson 2014 (eLife 3:e03061) one light pulse each
    cycle of theta. Both rates are recalled.

    Attributes
    ----------
    pause_s : float
        Least time from one pulse to the next; the default is that of Zanos et al., and less
        than a cycle stimulates each of them.
    max_spread_s : float, optional
        Nothing is asked for where the detector knows the time of the phase with a larger
        standard deviation than this. Not set: whatever it announces is taken.
    deadline_s : float
        How long after its target a pulse may still start: later, it is at another phase.
        The default is 14 degrees at 8 Hz and 36 at 20.
    """

    pause_s: Amount = 0.5
    max_spread_s: Amount | None = None
    deadline_s: Amount = 0.005


class PhaseLockedPulseProtocol:
    """Holds one pulse; a decision to act is one trigger of it, or none in the pause.

    Parameters
    ----------
    settings : PhaseLockedPulseSettings
    """

    Settings: ClassVar[type[BaseModel]] = PhaseLockedPulseSettings

    def __init__(self, settings: PhaseLockedPulseSettings) -> None:
        pulse = single(settings.pulse())
        self._programs = (StimProgram(ONLY, "phase_locked_pulse", pulse, settings.electrodes),)
        self._max_spread_s = settings.max_spread_s
        self._deadline_s = settings.deadline_s
        self._pause = Pause(settings.pause_s)

    def programs(self) -> tuple[StimProgram, ...]:
        return self._programs

    def plan(self, decision: Decision, next_seq: int) -> tuple[Trigger, ...]:
        spread_s, most_s = decision.detection.spread_s, self._max_spread_s
        if most_s is not None and not at_most(spread_s, most_s):
            return ()
        return self._pause.guard(one_trigger(decision, next_seq, self._deadline_s))
