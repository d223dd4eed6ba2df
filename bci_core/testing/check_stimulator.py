"""Does a stimulator keep its contract? Plain functions, for any test framework or none.

::

    from bci_core.testing import check_stimulator

    check_stimulator(lambda: MyStimulator(MyStimulator.Settings()))

Each of `RULES` is a sentence of `bci_core.contracts.Stimulator`, checked on a
time of its own making: nothing is waited for. It suits whatever has its time
handed in, which is every driver and every model.
"""

from collections.abc import Callable
from typing import Final

from bci_core.stimulus import StimProgram
from bci_core.testing import stimulator_fault_rules as faults
from bci_core.testing import stimulator_report_rules as reports
from bci_core.testing import stimulator_state_rules as state
from bci_core.testing import stimulator_trigger_rules as triggers
from bci_core.testing.stimulator_expectations import Make
from bci_core.testing.verdicts import require_all, verdicts

Rule = Callable[[Make, StimProgram | None], None]

RULES: Final[tuple[Rule, ...]] = (
    state.settings_are_strict,
    state.disarmed_at_rest,
    state.arming_needs_a_program_and_a_lease,
    state.over_limit_is_not_loaded,
    state.off_step_is_refused,
    state.amounts_must_be_numbers,
    state.armed_is_locked,
    state.lease_expires,
    state.lease_end_aborts,
    state.disarm_aborts_at_once,
    state.disarm_drops_what_is_pending,
    state.disarm_is_idempotent,
    triggers.nothing_delivered_unless_armed,
    triggers.at_s_is_honoured,
    triggers.deadline_drops,
    triggers.times_must_be_numbers,
    triggers.sequence_counts_up,
    triggers.unknown_program_is_refused,
    triggers.sham_delivers_nothing,
    triggers.lockout_is_kept,
    triggers.a_hold_gives_what_was_given_last,
    triggers.one_delivery_a_trigger,
    triggers.splitting_time_changes_nothing,
    reports.read_back_is_what_was_loaded,
    reports.impedance_needs_disarming,
    reports.status_tells_the_state,
    reports.reset_needs_a_fault,
    reports.what_leaves_is_what_is_told,
    reports.nothing_leaves_unasked,
    faults.every_fault_can_be_switched,
    faults.disconnect_stops_it,
    faults.stuck_on_is_opened_and_latched,
    faults.clipping_shows_in_what_is_measured,
    faults.a_lost_acknowledgement_is_no_answer,
    faults.a_late_acknowledgement_delays,
    faults.an_echo_error_shows_when_read_back,
    faults.a_stale_status_has_an_old_time,
    faults.a_drifting_clock_shows_in_the_status,
    faults.a_locked_device_only_stops,
)
"""Every rule. Each can be called on its own, or parametrised over."""


def check_stimulator(make: Make, program: StimProgram | None = None) -> None:
    """Check every rule, and report all that are broken.

    Parameters
    ----------
    make : callable
        Returns a fresh, disarmed stimulator. Called at least once a rule.
    program : StimProgram, optional
        One the device accepts, of two pulses or more, lasting less than a quarter of
        its longest lease. Without it one is made from the device's capabilities.

    Raises
    ------
    AssertionError
        Names each broken rule, and what the device did instead.
    """
    require_all("stimulator", verdicts(RULES, make, program))
