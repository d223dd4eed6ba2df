"""What earlier sessions of a subject have used of the day's budgets, from their ledgers.

A budget over a day that began anew with each session would be none. Each live session writes
down what its programs use, and what it was told of the sessions before it; the next one reads
that, and every trigger that was let through. Ledgers are chained by hashes, so a row that was
taken out is noticed; a folder that was taken away is not.

A trigger's row does not name its program: it counts as the one that uses most. Sessions on a
virtual clock stimulated nobody, and are left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from math import inf
from pathlib import Path
from typing import Any

from bci_core.clock import Clock
from bci_core.config.rig import Rig
from bci_core.errors import SafetyError, SessionError
from bci_core.record.ledger import read_ledger, verify_ledger
from bci_core.record.ledger_format import LedgerRow
from bci_core.safety.check import Able, ProgramCheck
from bci_core.safety.envelope import SafetyEnvelope
from bci_core.safety.history import DAY_S, Dose
from bci_core.session.folder import SessionFolder
from bci_core.stimulus import StimProgram

EVENT = "dose"
"""Name of the ledger row."""

MINUTE_S = 60.0


def dose_row(
    rig: Rig,
    programs: Sequence[StimProgram],
    earlier: Sequence[Dose],
    able: Able | None = None,
) -> dict[str, Any]:
    """What a session writes down at its start: the most that a trigger uses, and what was before.

    Parameters
    ----------
    rig : Rig
    programs : sequence of StimProgram
        Checked already.
    earlier : sequence of Dose
    able : Capabilities or SoundCapabilities, optional
        Of the device, for its rounding.
    """
    envelope = SafetyEnvelope.from_settings(rig.safety)
    check = ProgramCheck(envelope, able)
    uses = [check.use(program) for program in programs]
    most = {
        "on_time_s": max(program.duration_s for program in programs),
        "charge_uc": _largest(use.charge_uc for use in uses),
        "net_charge_uc": _largest(use.net_charge_uc for use in uses),
        "sound_dose": max(use.sound_dose for use in uses),
    }
    told = [_by_name(asdict(dose)) for dose in earlier]
    return {"most": _by_name(most), "ahead_s": envelope.ahead_s, "earlier": told}


def doses_of(told: Iterable[Mapping[str, Any]]) -> list[Dose]:
    """Doses as a row, or a message, tells them."""
    return [Dose(**_by_number(each)) for each in told]


def told(folder: SessionFolder) -> list[dict[str, Any]]:
    """What a session that has just been opened was told, for its loop."""
    rows = [row for row in read_ledger(folder.ledger) if row.event == EVENT]
    return list(rows[0].data["earlier"]) if rows else []


def earlier_of(ledger: Sequence[LedgerRow]) -> list[Dose]:
    """What a session was told of those before it; nothing where it was told nothing."""
    rows = [row for row in ledger if row.event == EVENT]
    return doses_of(rows[0].data["earlier"]) if rows else []


def earlier_doses(root: Path, subject: str, clock: Clock) -> list[Dose]:
    """What the sessions below `root` have used within the last day, by the minute.

    Parameters
    ----------
    root : Path
        Where session folders are made.
    subject : str
        Only sessions of the same one count.
    clock : Clock
        Times are on this one; what has no place on it yet counts as just now.

    Raises
    ------
    SafetyError
        A ledger was altered, or does not say what its triggers use: the dose is not known.
    """
    by_minute: dict[int, Dose] = {}
    for path in sorted(root.glob("*/ledger.jsonl")):
        age_s = clock.utc().timestamp() - path.stat().st_mtime
        if age_s > DAY_S + MINUTE_S:
            continue
        for minute, dose in _doses_in(path, subject, clock).items():
            by_minute[minute] = _together(by_minute.get(minute), dose)
    return [by_minute[minute] for minute in sorted(by_minute)]


@dataclass(slots=True)
class _Minute:
    """What a ledger tells of one minute: trains, and what was reported beyond what was asked."""

    end_s: float = -inf
    trains: int = 0
    more_uc: float = 0.0
    cut_uc: float = 0.0

    def dose(self, most: Mapping[str, Any]) -> Dose:
        """With every train the one that uses most; what was beyond, on every electrode."""
        charge_uc, net_uc = most["charge_uc"], most["net_charge_uc"]
        return Dose(
            self.end_s,
            self.trains,
            self.trains * most["on_time_s"],
            {e: self.trains * uc + self.more_uc for e, uc in charge_uc.items()},
            {e: self.trains * uc + self.cut_uc for e, uc in net_uc.items()},
            self.trains * most["sound_dose"],
        )


def _doses_in(path: Path, subject: str, clock: Clock) -> dict[int, Dose]:
    try:
        verify_ledger(path)
        ledger = read_ledger(path)
    except SessionError as error:
        raise _unknown(path, str(error)) from error
    started = [row.data for row in ledger if row.event == "session.start"]
    if not started or started[0].get("subject") != subject or started[0].get("virtual_time"):
        return {}
    told = [row for row in ledger if row.event in ("decision", "outcome")]
    if not told:
        return {}
    rows = [row.data for row in ledger if row.event == EVENT]
    if not rows:
        raise _unknown(path, f"it has triggers and no {EVENT!r} row")
    most = _by_number(rows[0]["most"])
    asked_uc = sum(most["charge_uc"].values())
    late_s = rows[0]["ahead_s"] + most["on_time_s"]
    now_s, utc = clock.now_s(), clock.utc()
    minutes: dict[int, _Minute] = {}
    for row in told:
        ago_s = (utc - datetime.fromisoformat(row.utc)).total_seconds()
        end_s = min(now_s, now_s - ago_s + late_s)
        minute = minutes.setdefault(int(end_s // MINUTE_S), _Minute())
        minute.end_s = max(minute.end_s, end_s)
        if row.event == "decision":
            minute.trains += bool(row.data["seq"]) and row.data["refusal"] is None
        else:
            minute.more_uc += max(0.0, (row.data.get("charge_uc") or 0.0) - asked_uc)
            minute.cut_uc += abs(row.data.get("net_charge_uc") or 0.0)
    return {number: minute.dose(most) for number, minute in minutes.items()}


def _together(one: Dose | None, other: Dose) -> Dose:
    if one is None:
        return other
    return Dose(
        max(one.end_s, other.end_s),
        one.trains + other.trains,
        one.on_time_s + other.on_time_s,
        _sum(one.charge_uc, other.charge_uc),
        _sum(one.net_charge_uc, other.net_charge_uc),
        one.sound_dose + other.sound_dose,
    )


def _sum(one: Mapping[int, float], other: Mapping[int, float]) -> dict[int, float]:
    return {key: one.get(key, 0.0) + other.get(key, 0.0) for key in (*one, *other)}


def _largest(amounts: Iterable[Mapping[int, float]]) -> dict[int, float]:
    found: dict[int, float] = {}
    for each in amounts:
        for electrode, amount in each.items():
            found[electrode] = max(found.get(electrode, 0.0), amount)
    return found


_BY_ELECTRODE = ("charge_uc", "net_charge_uc")


def _by_name(told: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has names only."""
    named = {key: {str(e): uc for e, uc in told[key].items()} for key in _BY_ELECTRODE}
    return {**told, **named}


def _by_number(told: Mapping[str, Any]) -> dict[str, Any]:
    numbered = {key: {int(e): uc for e, uc in told[key].items()} for key in _BY_ELECTRODE}
    return {**told, **numbered}


def _unknown(path: Path, why: str) -> SafetyError:
    return SafetyError(
        f"{path}: what this earlier session of the day has stimulated is not known ({why}); "
        "budgets over hour and day cannot be kept. See to it with: bci ledger verify; or use "
        "another --out and answer for the dose yourself"
    )
