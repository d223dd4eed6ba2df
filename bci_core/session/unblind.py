"""Opening what a blind session has withheld: two people, one row in the ledger, for good."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import isclose
from typing import Any

from bci_core.clock import Clock
from bci_core.config.load import load_rig
from bci_core.control.arms import Assigned
from bci_core.errors import SessionError
from bci_core.events import Outcome, Verdict
from bci_core.record.keepers import Opener, joined_key
from bci_core.record.ledger import UNBLINDED, append_unblinded, read_ledger, verify_ledger
from bci_core.record.ledger_format import LedgerRow
from bci_core.record.revealed import reveal
from bci_core.record.seal import SealedRows
from bci_core.session.arms import COMMITTED, assigner, seed_of
from bci_core.session.folder import SessionFolder


@dataclass(frozen=True, slots=True)
class Unblinded:
    """What opening a session has shown.

    Attributes
    ----------
    commitment : str
        That of the ledger, which seed and design agree with.
    by : tuple of str
        The two keepers.
    trials : dict of str to int
        By arm. Each followed its allotment.
    unlogged : int
        Sealed rows whose hash did not reach the ledger: of a session that was killed.
    """

    commitment: str
    by: tuple[str, ...]
    trials: dict[str, int]
    unlogged: int

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self)


def unblind_session(
    folder: SessionFolder, openers: Sequence[Opener], clock: Clock, actor: str = "operator"
) -> Unblinded:
    """Open a blind session, check it against what it committed to, and say so in its ledger.

    Nothing is written unless everything agrees: the chain, every sealed row, seed and
    design with the hash published at the start, and each trial with its allotment.

    Parameters
    ----------
    folder : SessionFolder
    openers : sequence of Opener
        Of both keepers.
    clock : Clock
    actor : str
        Who asked for it.

    Raises
    ------
    SessionError
        It runs, was not blind, or is unblinded already; a key is missing or wrong; or
        something does not agree.
    LedgerError
        The row could not be written.
    """
    if folder.is_running():
        raise SessionError(f"{folder.path}: still runs; unblind it when it has ended")
    verify_ledger(folder.ledger)
    rows = read_ledger(folder.ledger)
    committed = next((row for row in rows if row.event == COMMITTED), None)
    if committed is None or not committed.data["blind"]:
        raise SessionError(f"{folder.path}: was not blind; there is nothing to open")
    if any(row.event == UNBLINDED for row in rows):
        raise SessionError(f"{folder.path}: is unblinded already; see its ledger")
    sealed = SealedRows(folder.sealed)
    if sealed.header_sha256 != committed.data["seal_sha256"]:
        raise SessionError(f"{folder.sealed}: its first line is not the one of this session")
    key = joined_key(sealed.keepers, openers)
    whole = reveal(rows, sealed, key)
    seed = seed_of(folder, whole)
    trials = _allotted(folder, whole, seed)
    by = tuple(str(share["name"]) for share in sealed.keepers)
    unlogged = len(sealed) - sum("sealed" in row.data for row in rows)
    told = {"by": by, "commitment": committed.data["commitment"], "trials": trials}
    append_unblinded(folder.ledger, clock, actor, told | {"key": key.hex()})
    return Unblinded(committed.data["commitment"], by, trials, unlogged)


def _allotted(
    folder: SessionFolder, rows: Sequence[LedgerRow], seed: bytes | None
) -> dict[str, int]:
    """Trials by arm, each of which was what the seed says and ended as its arm demands."""
    rig = load_rig(str(folder.rig))
    arms = assigner(rig, seed)
    if arms is None:
        raise SessionError(f"{folder.rig}: has no [arms], and the session had")
    if arms.design.told() != next(r.data["design"] for r in rows if r.event == COMMITTED):
        raise SessionError(f"{folder.rig}: its [arms] are not the design that was committed to")
    ready = next((row.data for row in rows if row.event == "loop.ready"), {})
    offset_s = float(ready.get("clock_offset_s") or 0.0)
    arms.begin(float(ready.get("first_sample_s") or 0.0) + offset_s)
    shams: set[int] = set()
    trials: Counter[str] = Counter()
    last = -1
    for row in rows:
        told = row.data
        if row.event in ("outcome", "delivery"):
            if told["seq"] in shams and told["outcome"] == Outcome.DELIVERED:
                raise SessionError(f"row {row.seq}: trigger {told['seq']} was sham, and delivered")
            continue
        if row.event != "decision" or told.get("trial") is None:
            continue
        if told["trial"] != last:
            last = told["trial"]
            due = arms.assign_at(told["target_s"] + offset_s)
            trials[due.arm] += 1
        _check(row, due)
        if due.sham:
            shams.add(told["seq"])
    return {arm: trials[arm] for arm in arms.design.counts}


def _check(row: LedgerRow, due: Assigned) -> None:
    told = row.data
    verdict = Verdict.SHAM if due.sham else Verdict.STIM
    was = (told["trial"], told["slot"], told["arm"], told["verdict"])
    if was != (due.trial, due.slot, due.arm, verdict) or not isclose(
        told["delay_s"], due.delay_s, abs_tol=1e-9
    ):
        raise SessionError(
            f"row {row.seq}: trial {told['trial']} was {told['arm']} ({told['verdict']}, "
            f"{told['delay_s']:g} s later); allotted was {due.arm} ({verdict}, "
            f"{due.delay_s:g} s later)"
        )
