"""Control arms of a session: the design in full, its secret seed, and what is committed to.

What is secret never touches the rig in the folder, the ledger or a node's command line.
A blind session seals the seed for its two keepers; any other keeps it in a file of the
folder, which the ledger's hash vouches for.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bci_core.config.rig import Rig
from bci_core.control.allocation import commitment, new_seed
from bci_core.control.arms import ArmAssigner, Design
from bci_core.control.blinding import withhold
from bci_core.errors import ConfigError, InputError, LedgerError, Problem, SessionError
from bci_core.events import Outcome
from bci_core.record.blind_ledger import BlindLedger, LedgerLike
from bci_core.record.ledger import Ledger
from bci_core.record.ledger_format import LedgerRow
from bci_core.record.revealed import read_rows
from bci_core.safety.envelope import SafetyEnvelope
from bci_core.safety.history import RATE_INTERVALS
from bci_core.scoring.bands import band_of
from bci_core.session.folder import SessionFolder
from bci_core.stimulus import StimProgram

if TYPE_CHECKING:
    # Ciphers take a while to import, and only a blind session needs them.
    from bci_core.record.keepers import Keeper

COMMITTED = "arms.committed"
"""Row with the hash of seed and design, before anything that depends on them."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A session's ledger, and what the loop has to know that is not in its rig.

    Attributes
    ----------
    ledger : LedgerLike
    seed : bytes or None
        Of the allotment; None without control arms.
    told : str
        For the operator; "" when there is nothing to tell.
    """

    ledger: LedgerLike
    seed: bytes | None = None
    told: str = ""


def check_keepers(rig: Rig, keepers: Sequence["Keeper"]) -> None:
    """A blind session does not begin without its keepers, nor another with any.

    Raises
    ------
    InputError
    """
    if rig.arms is None or not rig.arms.blind:
        if keepers:
            raise InputError("keepers are for a session with [arms] blind = true")
        return
    names = tuple(keeper.name for keeper in keepers)
    if sorted(names) != sorted(rig.arms.keepers):
        raise InputError(
            f"a blind session needs the keys of its keepers, {' and '.join(rig.arms.keepers)}; "
            f"given: {', '.join(names) or 'none'}"
        )


def design_of(rig: Rig) -> Design | None:
    """The design, with what the rig leaves to the detector and to another session.

    Raises
    ------
    ConfigError
        There is no cycle to shuffle over, or the other session is not the one that is meant.
    """
    settings = rig.arms
    if settings is None:
        return None
    cycle_hz, yoked_s = nan, tuple[float, ...]()
    if settings.phase_shuffled is not None:
        band_hz = band_of(rig.detector.settings)
        cycle_hz = settings.phase_shuffled.frequency_hz or (sum(band_hz) / 2 if band_hz else nan)
        if not isfinite(cycle_hz):
            what = f"missing, and detector {rig.detector.name!r} does not listen to one band; hertz"
            raise ConfigError("rig", [Problem("arms.phase_shuffled.frequency_hz", what)])
    if settings.yoked is not None:
        try:
            yoked_s = pulses_of(Path(settings.yoked.session), settings.yoked.sha256)
        except SessionError as error:
            raise ConfigError("rig", [Problem("arms.yoked.session", str(error))]) from error
    return Design(settings, cycle_hz, yoked_s)


def assigner(rig: Rig, seed: bytes | None) -> ArmAssigner | None:
    """Allots the trials of a session; None without control arms."""
    design = design_of(rig)
    return None if design is None else ArmAssigner(design, seed)


def pulses_of(path: Path, sha256: str) -> tuple[float, ...]:
    """When another session's pulses began, in seconds from its loop's first sample.

    Raises
    ------
    SessionError
        It is not the session with that hash, is still blind, or had no pulses.
    """
    folder = SessionFolder.open(path)
    found = hashlib.sha256(folder.ledger.read_bytes()).hexdigest()
    if found != sha256:
        raise SessionError(f"{folder.ledger}: has SHA-256 {found}, not the {sha256} asked for")
    rows = read_rows(folder.ledger)
    ready = next((row.data for row in rows if row.event == "loop.ready"), {})
    first_s = float(ready.get("first_sample_s") or nan) + float(ready.get("clock_offset_s") or 0.0)
    delivered = [
        row.data["onset_s"] - first_s
        for row in rows
        if row.event == "outcome" and row.data["outcome"] == Outcome.DELIVERED
    ]
    if not delivered or not isfinite(first_s):
        raise SessionError(f"{path}: tells of no pulse; was it blind, and not unblinded yet?")
    return tuple(sorted(delivered))


def arms_problems(
    rig: Rig, programs: Sequence[StimProgram], envelope: SafetyEnvelope
) -> list[Problem]:
    """What would make the gate answer differently in one arm than in another.

    Two stimuli of arms that delay may come closer together than they were detected: the
    policy has to keep them so far apart that no arm ever meets the gate's limits on time.
    """
    try:
        design = design_of(rig)
    except ConfigError as error:
        return list(error.problems)
    if design is None:
        return []
    problems = []
    spread_s, refractory_s = design.spread_s, rig.policy.refractory_s
    longest_s = max(program.duration_s for program in programs)
    lockout_s = envelope.lockout_s + longest_s + spread_s
    rate_s = 1.0 / envelope.trains_per_s + spread_s / RATE_INTERVALS
    least_s = max(lockout_s, rate_s) if spread_s else 0.0
    if refractory_s < least_s:
        problems.append(
            Problem(
                "policy.refractory_s",
                f"{refractory_s:g} seconds; with arms up to {spread_s:g} s apart, a train of "
                f"{longest_s:g} s, a lockout of {envelope.lockout_s:g} s and at most "
                f"{envelope.trains_per_s:g} trains/s it must be at least {least_s:g}, or the "
                "gate would refuse in one arm what it lets through in another",
            )
        )
    if design.latest_s >= envelope.ahead_s:
        problems.append(
            Problem(
                "safety.ahead_s",
                f"{envelope.ahead_s:g} seconds; an arm delays by up to {design.latest_s:g} s, and "
                "its triggers are sent at once; allow more than that",
            )
        )
    return problems


def commit(
    rig: Rig, folder: SessionFolder, ledger: Ledger, keepers: Sequence["Keeper"] = ()
) -> Opened:
    """Draw the seed, put its hash into the ledger, and keep it where nobody reads it early.

    Raises
    ------
    LedgerError
        The folder cannot be written.
    """
    design = design_of(rig)
    if design is None:
        return Opened(ledger)
    given = design.settings.secret_seed
    seed = bytes.fromhex(given) if given else new_seed()
    told = {
        "commitment": commitment(seed, design.told()),
        "design": design.told(),
        "block_size": sum(design.counts.values()),
        "seed_from": "rig" if given else "system",
        "blind": design.settings.blind,
        "secret_seed": seed.hex(),
    }
    kept: LedgerLike = ledger
    if design.settings.blind:
        from bci_core.record.keepers import shared_key
        from bci_core.record.seal import SealWriter

        key, shares = shared_key(keepers)
        seal = SealWriter(folder.sealed, key, shares)
        told |= {
            "keepers": [share["name"] for share in shares],
            "seal_sha256": seal.header_sha256,
        }
        kept = BlindLedger(ledger, seal, withhold)
        kept.append(COMMITTED, "supervisor", told, durable=True)
    else:
        _keep(folder.allocation, {"secret_seed": seed.hex()})
        del told["secret_seed"]
        kept.append(COMMITTED, "supervisor", told, durable=True)
    note = " (its seed is in the rig, and no secret)" if given else ""
    return Opened(kept, seed, f"arms committed: {told['commitment']}{note}")


def seed_of(folder: SessionFolder, rows: Sequence[LedgerRow]) -> bytes | None:
    """Seed of a session that is over; None while it is sealed, or without control arms.

    Raises
    ------
    SessionError
        It is not the one the session committed to.
    """
    row = next((row for row in rows if row.event == COMMITTED), None)
    if row is None:
        return None
    told = row.data.get("secret_seed")
    if told is None and row.data["blind"]:
        return None
    try:
        if told is None:
            told = json.loads(folder.allocation.read_text("utf-8"))["secret_seed"]
        seed = bytes.fromhex(told)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SessionError(f"{folder.allocation}: has no seed that can be read") from error
    if commitment(seed, row.data["design"]) != row.data["commitment"]:
        raise SessionError(f"{folder.path}: seed and design are not those it committed to")
    return seed


def _keep(path: Path, value: dict[str, Any]) -> None:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "w") as file:
            json.dump(value, file)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise LedgerError(f"{path}: cannot be written ({error.strerror})") from error
