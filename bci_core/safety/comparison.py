"""What a device reports of a trigger beside what it was asked."""

from dataclasses import dataclass
from math import isnan

from bci_core.capabilities import Capabilities, SoundCapabilities
from bci_core.events import Delivery, Outcome, Trigger
from bci_core.safety.envelope import SafetyEnvelope
from bci_core.safety.limits import TOLERANCE, at_most
from bci_core.safety.use import Use
from bci_core.stimulus import StimProgram

LATE_S = 0.001
"""An onset this long after its deadline, or an end this long after what was asked, may still be
the steps of the device's clock."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the report of a program must keep to, on one device.

    Attributes
    ----------
    n_pulses : int
    duration_s : float
    least_uc, most_uc : float
        Charge per phase, summed over the pulses. What is measured may be off by as much as
        a pulse may be unbalanced; what is commanded may not be more than was asked.
    net_uc : float
        Most that one whole pulse may leave behind.
    phase_uc : float
        Most that a pulse which was cut may leave behind: one phase.
    compliance_v : float
        Output at or above it means that the current was not what was asked. NaN for sound.
    reads_output : bool
        Whether the device says that it reads its output back.
    """

    n_pulses: int
    duration_s: float
    least_uc: float
    most_uc: float
    net_uc: float
    phase_uc: float
    compliance_v: float
    reads_output: bool


def asked_of(
    program: StimProgram,
    use: Use,
    envelope: SafetyEnvelope,
    able: Capabilities | SoundCapabilities,
) -> Asked:
    """What to expect of a program that was checked for a device."""
    if envelope.net_charge_fraction is None or isinstance(able, SoundCapabilities):
        nothing = dict.fromkeys(("least_uc", "most_uc", "net_uc", "phase_uc"), 0.0)
        return Asked(
            program.n_pulses, program.duration_s, **nothing, compliance_v=0.0, reads_output=False
        )
    fraction = envelope.net_charge_fraction
    dc_na = envelope.dc_na or 0.0
    phase_uc = use.values["charge_per_phase_uc"]
    charge_uc = program.charge_in_steps_uc(able.amplitude_step_ua)
    slack = fraction if "charge" in able.measures else 0.0
    by_dc_uc = dc_na * 1e-3 / use.values["pulse_rate_hz"]
    return Asked(
        n_pulses=program.n_pulses,
        duration_s=program.duration_s,
        least_uc=charge_uc * (1.0 - fraction),
        most_uc=charge_uc * (1.0 + slack),
        net_uc=max(use.largest_net_uc, min(fraction * phase_uc, by_dc_uc)),
        phase_uc=phase_uc * (1.0 + slack),
        compliance_v=able.compliance_v,
        reads_output="output_v" in able.measures,
    )


def outlasted(asked: Asked, delivery: Delivery) -> str:
    """By how much a train went on for longer than was asked, or ""."""
    lasted_s = delivery.offset_s - delivery.onset_s
    if lasted_s > asked.duration_s + LATE_S:
        return f"train: lasted {lasted_s:g} s, limit {asked.duration_s:g} s"
    return ""


def difference(asked: Asked, trigger: Trigger, delivery: Delivery) -> str:
    """How a report differs from what was asked, with limit, value and unit; or ""."""
    outcome = delivery.outcome
    if outcome is Outcome.DELIVERED and trigger.sham:
        return "delivered, sham asked"
    if outcome is Outcome.SHAM and not trigger.sham:
        return "sham, stimulation asked"
    silent = trigger.sham or outcome in (Outcome.SHAM, Outcome.REFUSED)
    return (
        _amounts_differ(asked, delivery, silent)
        or _output_differs(asked, delivery, silent)
        or _times_differ(trigger, delivery, silent)
    )


def _amounts_differ(asked: Asked, delivery: Delivery, silent: bool) -> str:
    pulses = 0 if silent else asked.n_pulses
    most_uc = 0.0 if silent else asked.most_uc
    if not at_most(delivery.n_pulses, pulses):
        return f"pulses: {delivery.n_pulses} pulses, limit {pulses} pulses"
    if not at_most(delivery.charge_uc, most_uc):
        return f"charge: {delivery.charge_uc:g} uC, limit {most_uc:g} uC"
    if delivery.outcome is Outcome.DELIVERED:
        if delivery.n_pulses < pulses:
            return f"pulses: {delivery.n_pulses} pulses, {pulses} pulses asked"
        # A current that was clipped unnoticed may have unbalanced the pulses.
        if delivery.charge_uc < asked.least_uc * (1.0 - TOLERANCE):
            return f"charge: {delivery.charge_uc:g} uC, limit at least {asked.least_uc:g} uC"
    # What a pulse that was cut leaves is a budget's to limit (`history`).
    net_uc = asked.phase_uc if delivery.outcome is Outcome.ABORTED else asked.net_uc
    net_uc = 0.0 if silent else net_uc
    if not at_most(abs(delivery.net_charge_uc), net_uc):
        return f"net_charge: {abs(delivery.net_charge_uc):g} uC, limit {net_uc:g} uC"
    return ""


def _output_differs(asked: Asked, delivery: Delivery, silent: bool) -> str:
    if isnan(delivery.output_v):
        if asked.reads_output and not silent and delivery.outcome is Outcome.DELIVERED:
            return f"output_v: not read back, limit below {asked.compliance_v:g} V"
        return ""
    if asked.compliance_v and not abs(delivery.output_v) < asked.compliance_v * (1.0 - TOLERANCE):
        return f"output_v: {abs(delivery.output_v):g} V, limit below {asked.compliance_v:g} V"
    return ""


def _times_differ(trigger: Trigger, delivery: Delivery, silent: bool) -> str:
    if silent or (delivery.n_pulses == 0 and isnan(delivery.onset_s)):
        return ""
    if not delivery.onset_s <= delivery.offset_s:
        return f"onset {delivery.onset_s:g} s is not before offset {delivery.offset_s:g} s"
    late_s = delivery.onset_s - trigger.deadline_s
    if late_s > LATE_S:
        return f"deadline: delivered {late_s:g} s late, limit {LATE_S:g} s"
    return ""
