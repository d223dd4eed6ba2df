"""After a guard has stopped stimulation: a lockout for all, and a ban on what was stimulated.

Once stimulation had led to an after-discharge, the next on the same pair of electrodes led to
another in 46 % of cases, on other pairs in 13 %; "waiting about a minute" was advised. So
nothing is stimulated for 60 s, and the electrodes that were in use are not used again.
"""

from math import inf

from bci_core.events import Refusal
from bci_core.safety.limits import at_least
from bci_core.safety.shape import label
from bci_core.stimulus import StimProgram


class AfterDischargeLock:
    """Remembers what was stimulated last, and what must not be stimulated any more.

    Parameters
    ----------
    lockout_s : float
        For every electrode.
    lookback_s : float
        Electrodes that were stimulated within this time before an abort are banned.

    Attributes
    ----------
    banned : set of int
        Electrodes not to be used again in this session.
    """

    def __init__(self, lockout_s: float = 60.0, lookback_s: float = 10.0) -> None:
        self._lockout_s = lockout_s
        self._lookback_s = lookback_s
        self._aborted_s = -inf
        self._ends_s: dict[tuple[int, ...], float] = {}
        self.banned: set[int] = set()

    def note_train(self, end_s: float, electrodes: tuple[int, ...]) -> None:
        """A train was let through that ends at a time, sham or not."""
        self._ends_s[electrodes] = end_s

    def note_abort(self, now_s: float) -> None:
        """A guard has stopped stimulation."""
        self._aborted_s = max(self._aborted_s, now_s)
        since_s = now_s - self._lookback_s
        for electrodes, end_s in self._ends_s.items():
            if end_s >= since_s:
                self.banned.update(electrodes)

    def waiting(self, now_s: float) -> Refusal | None:
        """Why nothing at all may be armed or stimulated yet."""
        passed_s = now_s - self._aborted_s
        if at_least(passed_s, self._lockout_s):
            return None
        where = "since a guard has stopped stimulation"
        return Refusal("after_discharge_lockout", passed_s, self._lockout_s, "s", where)

    def refusal(self, program: StimProgram, now_s: float) -> Refusal | None:
        """Why a program may not be stimulated, if so."""
        waiting = self.waiting(now_s)
        if waiting or not self.banned:
            return waiting
        used = self.banned.intersection(program.every_electrode)
        if not used:
            return None
        where = f"{label(program)}, electrode {min(used)}: in use just before an abort"
        return Refusal("after_discharge_ban", len(used), 0, "banned electrodes", where)
