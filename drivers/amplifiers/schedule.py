"""When the samples of a simulated amplifier are due."""

from bci_core.clock import Clock

MAX_CHUNK = 1024
"""Most samples of one `read`; what is due beyond that comes with the next."""


def wait_for_due(clock: Clock, t0_s: float, rate_hz: float, given: int, wait_s: float) -> int:
    """Wait for sample number `given`, and count what is due with it.

    Parameters
    ----------
    clock : Clock
    t0_s : float
        When sample 0 was due.
    rate_hz : float
    given : int
        Samples that have been handed out.
    wait_s : float
        Longest wait.

    Returns
    -------
    int
        At most `MAX_CHUNK`; 0 when none was due in time.
    """
    due_s = t0_s + given / rate_hz
    until_s = clock.now_s() + wait_s
    clock.sleep_until(min(due_s, until_s))
    if due_s > until_s:
        return 0
    # The first has been waited for, even where the clock rounds to just before it.
    due = max(1, int((clock.now_s() - t0_s) * rate_hz) + 1 - given)
    return min(due, MAX_CHUNK)
