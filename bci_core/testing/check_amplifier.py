"""Does an amplifier driver keep its contract? A plain function, for any test framework or none.

::

    from bci_core.testing.check_amplifier import check_amplifier

    check_amplifier(lambda clock: MyAmplifier(MyAmplifier.Settings(), clock))

The driver is run once through its life, on the real device or a simulated one,
and each of `RULES` is judged on what it did. Whether the values really are
microvolts cannot be seen from the outside: measure a known voltage once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from bci_core.clock import Clock, LslClock
from bci_core.testing import amplifier_rules as rules
from bci_core.testing.amplifier_rules import Tolerances
from bci_core.testing.amplifier_trace import AmplifierTrace, Make, run_amplifier
from bci_core.testing.verdicts import require_all, verdicts

Rule = Callable[[AmplifierTrace, Tolerances], None]

RULES: Final[tuple[Rule, ...]] = (
    rules.settings_are_strict,
    rules.description_holds,
    rules.starts_afresh,
    rules.reads_wait,
    rules.chunks_are_sound,
    rules.stamps_are_not_ahead,
    rules.samples_are_fresh,
    rules.each_sample_once,
    rules.times_are_even,
    rules.counters_add_up,
    rules.keeps_up_with_time,
    rules.closed_is_closed,
)
"""Every rule. Each can be called on its own, on an `AmplifierTrace`."""


@dataclass(frozen=True, slots=True)
class AmplifierFigures:
    """What was measured on the way.

    Attributes
    ----------
    samples, lost : int
    rate_hz : float
        Mean, lost samples included.
    median_age_s, worst_age_s : float
        Of the newest sample as a read returned.
    """

    samples: int
    lost: int
    rate_hz: float
    median_age_s: float
    worst_age_s: float


def check_amplifier(
    make: Make,
    seconds: float = 3.0,
    *,
    clock: Clock | None = None,
    tolerances: Tolerances | None = None,
    wait_s: float = 0.25,
) -> AmplifierFigures:
    """Check every rule, and report all that are broken.

    Parameters
    ----------
    make : callable
        Returns a new amplifier on the clock it is given. Called twice; the two are
        not open at the same time.
    seconds : float
        How long to read. A source that ends earlier is read to its end.
    clock : Clock, optional
        The LSL clock unless given; a virtual one for a source that can follow it.
    tolerances : Tolerances, optional
    wait_s : float
        Handed to each `read`.

    Raises
    ------
    AssertionError
        Names each broken rule, and what the amplifier did instead.
    BciError
        The amplifier itself failed.
    """
    trace = run_amplifier(make, seconds, clock or LslClock(), wait_s)
    limits = tolerances or Tolerances()
    require_all("amplifier", verdicts(RULES, trace, limits))
    ages_s = trace.ages_s if len(trace.ages_s) else np.zeros(1)
    return AmplifierFigures(
        samples=trace.counters.samples,
        lost=trace.counters.lost,
        rate_hz=rules.mean_rate_hz(trace),
        median_age_s=float(np.median(ages_s)),
        worst_age_s=float(ages_s.max()),
    )
