"""Pattern replay: pulses on several electrodes at their own times, as a file has them."""

from collections import defaultdict
from itertools import pairwise
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from bci_core.errors import ConfigError, Problem
from bci_core.events import Decision, Trigger
from bci_core.stimulus import BiphasicPulse, ProgramPart, PulseTrain, StimProgram
from stim_protocols.pattern_file import Pattern, load_pattern
from stim_protocols.pulse_settings import SINGLE_PULSE_HZ, Amount
from stim_protocols.triggers import ONLY, Pause, one_trigger


class PatternReplaySettings(BaseModel):
    """Section ``[protocol]`` of a rig with ``kind = "pattern_replay"``.

    Patterns that stand for one content each, delivered to the hippocampus while it is to be
    remembered: Hampson et al. 2018 (J Neural Eng 15:036014), Roeder et al. 2024. Their control
    was the same pattern 3 s later, which the delayed arm gives.

    Attributes
    ----------
    pattern : str
        A pattern file (JSON, or TOML where its name ends so), or the name of one that comes
        with the package. A relative path starts from the working directory.
    sha256 : str, optional
        The hash the file must have, so that no other pattern can take its place. It is
        compared with its content whether this is given or not.
    pause_s : float
        Least time from the end of one replay to the start of the next.
    deadline_s : float
        How long after its target a replay may still start. The default is short against the
        50 ms that the loops of the studies took.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pattern: Annotated[str, Field(min_length=1)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    pause_s: Amount = 1.0
    deadline_s: Amount = 0.02


class PatternReplayProtocol:
    """Holds the pattern as one program; a decision to act replays it, or nothing in the pause.

    Parameters
    ----------
    settings : PatternReplaySettings

    Raises
    ------
    ConfigError
        There is no such pattern, or it is not the one that was meant.
    """

    Settings: ClassVar[type[BaseModel]] = PatternReplaySettings

    def __init__(self, settings: PatternReplaySettings) -> None:
        self.pattern = load_pattern(settings.pattern)
        if settings.sha256 not in (None, self.pattern.sha256):
            other = f"{settings.pattern} has {self.pattern.sha256}; it is not the pattern meant"
            raise ConfigError("protocol pattern_replay", [Problem("sha256", other)])
        self._programs = (program_of(self.pattern),)
        self._deadline_s = settings.deadline_s
        self._pause = Pause(settings.pause_s)

    def programs(self) -> tuple[StimProgram, ...]:
        return self._programs

    def plan(self, decision: Decision, next_seq: int) -> tuple[Trigger, ...]:
        asked = one_trigger(decision, next_seq, self._deadline_s)
        return self._pause.guard(asked, lasts_s=self._programs[0].duration_s)


def program_of(pattern: Pattern) -> StimProgram:
    """The program that delivers a pattern: a part for all electrodes that do the same at once."""
    together: dict[tuple[float, float], list[int]] = defaultdict(list)
    for pulse in pattern.pulses:
        together[pulse.onset_s, pulse.amplitude_ua].append(pulse.electrode)
    rate_hz = fastest_hz(pattern)
    first, *later = (
        ProgramPart(
            PulseTrain(BiphasicPulse(ua, pattern.phase_us, pattern.interphase_us), rate_hz),
            tuple(sorted(electrodes)),
            delay_s=onset_s,
        )
        for (onset_s, ua), electrodes in sorted(together.items())
    )
    return StimProgram(ONLY, pattern.name, first.train, first.electrodes, tuple(later))


def fastest_hz(pattern: Pattern) -> float:
    """Highest rate of pulses on one electrode, and at least that of a single pulse."""
    onsets_s: dict[int, list[float]] = defaultdict(list)
    for pulse in pattern.pulses:
        onsets_s[pulse.electrode].append(pulse.onset_s)
    intervals_s = (b - a for times in onsets_s.values() for a, b in pairwise(sorted(times)))
    return max([SINGLE_PULSE_HZ, *(1.0 / interval_s for interval_s in intervals_s)])
