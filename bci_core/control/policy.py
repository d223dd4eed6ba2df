"""Whether to act on a detection."""

from collections import deque
from math import isfinite
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from bci_core.events import Decision, Detection, EventKind, Situation, Verdict


class PolicySettings(BaseModel):
    """Section ``[policy]`` of a rig.

    Attributes
    ----------
    refractory_s : float
        Least time from one stimulus (or sham) to the next.
    max_rate_hz : float
        Most stimuli per second, as a mean over `rate_window_s`.
    rate_window_s : float
        See `max_rate_hz`.
    stale_after_s : float
        A detection on a sample older than this is not acted on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    refractory_s: float = Field(gt=0.0, le=3600.0)
    max_rate_hz: float = Field(gt=0.0, le=1000.0)
    rate_window_s: float = Field(default=10.0, gt=0.0, le=600.0)
    stale_after_s: float = Field(default=0.1, gt=0.0, le=10.0)


class StandardPolicy:
    """Refractory, mean rate and vetoes. Ends of events are noted, no more.

    A deterministic function of the detections and situations it has been given, so
    that a recorded session can be decided again.
    """

    Settings: ClassVar[type[BaseModel]] = PolicySettings

    def __init__(self, settings: PolicySettings) -> None:
        self.settings = settings
        self._acted_s: deque[float] = deque()

    def decide(self, detection: Detection, situation: Situation) -> Decision:
        if detection.kind is EventKind.END:
            return Decision(detection, situation, Verdict.NOTED)
        reason = self._reason_against(detection, situation)
        if reason:
            return Decision(detection, situation, Verdict.REFUSED, reason)
        self._acted_s.append(detection.target_s)
        return Decision(detection, situation, Verdict.STIM)

    def _reason_against(self, detection: Detection, situation: Situation) -> str:
        if situation.disarmed:
            return "disarmed"
        if detection.veto:
            return detection.veto
        if not isfinite(detection.target_s):
            return "not_finite"
        if situation.now_s - detection.sample_s > self.settings.stale_after_s:
            return "stale"
        target_s = detection.target_s
        if self._acted_s and target_s - self._acted_s[-1] < self.settings.refractory_s:
            return "refractory"
        while self._acted_s and self._acted_s[0] <= target_s - self.settings.rate_window_s:
            self._acted_s.popleft()
        if len(self._acted_s) + 1 > self.settings.max_rate_hz * self.settings.rate_window_s:
            return "max_rate"
        return ""
