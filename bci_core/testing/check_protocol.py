"""Does a stimulation protocol keep its contract? Plain functions, for any framework or none.

::

    from bci_core.testing import check_protocol

    check_protocol(lambda: MyProtocol(MyProtocol.Settings(amplitude_ua=10.0)))

Each of `RULES` is a sentence of `bci_core.contracts.StimProtocol`.
"""

from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np

from bci_core.events import Decision, Detection, EventKind, Situation, Verdict
from bci_core.testing import protocol_rules as rules
from bci_core.testing.protocol_rules import Make
from bci_core.testing.verdicts import require_all, verdicts


class Rule(Protocol):
    """A function; what it is called names the rule."""

    __name__: str

    def __call__(self, make: Make, decisions: Sequence[Decision]) -> None: ...


RULES: Final[tuple[Rule, ...]] = (
    rules.asks_for_something,
    rules.settings_are_strict,
    rules.programs_are_finite,
    rules.programs_are_stable,
    rules.triggers_name_its_programs,
    rules.sequence_goes_on,
    rules.decisions_are_all_it_knows,
    rules.numbers_change_nothing,
    rules.sham_is_only_a_flag,
    rules.targets_are_honoured,
    rules.deadlines_are_finite,
    rules.what_does_not_act_asks_for_nothing,
    rules.odd_numbers_are_survived,
)
"""Every rule. Each can be called on its own, or parametrised over."""


def check_protocol(make: Make, decisions: Sequence[Decision] | None = None) -> None:
    """Check every rule, and report all that are broken.

    Parameters
    ----------
    make : callable
        Returns a fresh protocol. Called at least once a rule.
    decisions : sequence of Decision, optional
        Some that it acts on, in the order of time. Without them `trial_decisions` are used.

    Raises
    ------
    AssertionError
        Names each broken rule, and what the protocol did instead.
    """
    if decisions is None:
        decisions = trial_decisions()
    require_all("protocol", verdicts(RULES, make, decisions))


def trial_decisions(n: int = 200, seed: int = 0) -> list[Decision]:
    """Decisions in which most protocols find some to act on.

    Onsets and ends, 10 ms to 20 s apart, with values around 0.5 (as probabilities) or 5 (as
    amplitudes and heights), acted on, sham or refused; some predicted, some vetoed, some while
    disarmed.
    """
    rng = np.random.default_rng(seed)
    now_s, decisions = 1000.0, []
    for i in range(n):
        now_s += float(10.0 ** rng.uniform(-2.0, 1.3))
        draw = float(rng.random())
        ended, refused = draw < 0.2, draw < 0.4
        disarmed = "lease" if refused and draw > 0.37 else ""
        veto = "blank" if refused and draw > 0.34 and not disarmed else ""
        found = Detection(
            sample_index=100 * i,
            sample_s=now_s - 0.001,
            target_s=now_s + float(rng.choice([-0.001, 0.02])),
            value=float(rng.choice([rng.uniform(0.0, 1.0), rng.uniform(2.0, 8.0)])),
            veto=veto,
            kind=EventKind.END if ended else EventKind.ONSET,
            spread_s=float(rng.choice([0.0, 0.002])),
        )
        verdict, reason = Verdict.STIM if rng.random() < 0.7 else Verdict.SHAM, ""
        if ended:
            verdict = Verdict.NOTED
        elif refused:
            verdict, reason = Verdict.REFUSED, disarmed or veto or "refractory"
        situation = Situation(now_s - 0.0005, now_s - 0.0003, now_s, disarmed)
        decisions.append(Decision(found, situation, verdict, reason))
    return decisions
