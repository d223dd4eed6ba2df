"""What people may order of a running session: a reset of what is latched, and tighter limits."""

from collections.abc import Callable, Mapping
from math import inf
from typing import Any

from bci_core.clock import Clock
from bci_core.config.rig import Rig
from bci_core.errors import InputError, SafetyError
from bci_core.people.keyring import Keyring, Role, default_keyring
from bci_core.people.signing import Signed
from bci_core.safety.envelope import SafetyEnvelope
from bci_core.safety.reasons import same_name
from bci_core.session import build
from bci_core.session.channel import Message
from bci_core.session.folder import SessionFolder
from bci_core.session.nodes import Nodes
from bci_core.session.orders import Order, OrderBox


class OrderDesk:
    """Serves orders, and keeps what is latched until somebody resets it.

    Parameters
    ----------
    rig : Rig
    folder : SessionFolder
    nodes : Nodes
        With the loop, which carries orders out, and the ledger.
    clock : Clock
    operator : str
        Who runs the session; somebody else has to reset.
    """

    def __init__(
        self, rig: Rig, folder: SessionFolder, nodes: Nodes, clock: Clock, operator: str
    ) -> None:
        self._rig = rig
        self._folder = folder
        self._nodes = nodes
        self._clock = clock
        self._operator = operator
        self._envelope = SafetyEnvelope.from_settings(rig.safety)
        self._latched: dict[str, Any] = {}
        self._latched_until_s = inf
        self._pending: list[str] = []
        self.box = OrderBox(folder)

    @property
    def latched(self) -> str:
        """What holds the session, or ""."""
        return str(self._latched.get("reason", ""))

    def latch(self, change: Mapping[str, Any]) -> tuple[str, bool]:
        """Something has latched; what to say of it, and whether its reset is waited for."""
        wait_s = self._rig.session.wait_for_reset_s
        if not self._latched:
            self._latched = reset_statement(self._folder, change)
            self._latched_until_s = self._clock.now_s() + wait_s
        told = f"latched: {change['detail'] or change['reason']}"
        if wait_s > 0.0:
            told += (
                f"; nothing stimulates until somebody else than {self._operator} resets it: "
                f"bci reset {self._folder.path}"
            )
        return told, wait_s > 0.0

    def _overdue(self) -> str:
        """Why nobody is waited for any longer, or ""."""
        if self._clock.now_s() <= self._latched_until_s:
            return ""
        waited_s = self._rig.session.wait_for_reset_s
        return f"latched: {self.latched}, and not reset within {waited_s:g} s"

    def serve(self) -> str:
        """Look for orders and begin to carry them out; why a reset is too late by now, or ""."""
        serve: dict[object, Callable[[Order], Message]] = {
            "reset": self._reset,
            "tighten": self._tighten,
        }
        for name, order in self.box.take():
            what = order.get("do")
            try:
                if what not in serve:
                    known = ", ".join(map(str, serve))
                    raise InputError(f"no order is called {what!r}; orders: {known}")
                told = serve[what](order)
            except (InputError, SafetyError) as error:
                self._nodes.log("order.refused", {"order": order, "why": str(error)})
                self.box.answer(name, str(error))
                continue
            self._pending.append(name)
            self._nodes["loop"].send(told)
        return self._overdue()

    def heard(self, why: str) -> None:
        """The loop has carried out the oldest order, or says why not."""
        if self._pending:
            self.box.answer(self._pending.pop(0), why)

    def reset(self) -> None:
        """Nothing is latched any more."""
        self._latched = {}
        self._latched_until_s = inf

    def _reset(self, order: Order) -> Message:
        if not self._latched:
            raise SafetyError("nothing is latched")
        who = self._second_person(order)
        self._nodes.log("reset.intent", {**self._latched, **who}, durable=True)
        return {"do": "reset", "actor": who["by"], "role": who["role"]}

    def _second_person(self, order: Order) -> dict[str, Any]:
        """Who resets.

        Raises
        ------
        SafetyError
            The operator, somebody in the operator's role, or nobody known.
        """
        if "signed" in order:
            signed = Signed.from_dict(order["signed"])
            person = Keyring.load(default_keyring()).verify(signed)
            if signed.statement != self._latched:
                raise SafetyError(f"{person}: signed the reset of something else")
            who = {"by": person.name, "role": str(person.role), "key": person.fingerprint}
            who["signature"] = signed.signature
        elif self._needs_keys():
            raise SafetyError("a reset needs a second person's key here; give --key")
        else:
            who = {"by": str(order.get("by", "")).strip(), "role": ""}
        if who["role"] == Role.OPERATOR:
            raise SafetyError(f"{who['by']} is an operator; somebody in another role has to reset")
        if not who["by"] or same_name(who["by"], self._operator):
            raise SafetyError(f"{self._operator} runs the session; a second person has to reset")
        return who

    def _needs_keys(self) -> bool:
        simulated = build.stimulator(self._rig).capabilities.simulated
        return self._rig.safety.require_approvals or not simulated

    def _tighten(self, order: Order) -> Message:
        limits = order.get("limits")
        if not isinstance(limits, dict):
            raise InputError("limits: give names and values")
        self._envelope = self._envelope.tightened(**limits)
        told = {"limits": limits, "by": str(order.get("by", ""))}
        self._nodes.log("tighten.intent", told, durable=True)
        return {"do": "tighten", "limits": limits}


def reset_statement(folder: SessionFolder, change: Mapping[str, Any]) -> dict[str, Any]:
    """What a second person signs: the reset of one latch of one session."""
    return {
        "what": "reset",
        "session": folder.path.name,
        "reason": change["reason"],
        "latched_at_s": change["at_s"],
    }
