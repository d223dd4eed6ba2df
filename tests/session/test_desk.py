"""Orders to a running session: who may reset, what may be tightened, and what is answered."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from bci_core.clock import LslClock, VirtualClock
from bci_core.config.load import load_rig
from bci_core.errors import RunError, SessionError
from bci_core.people.keyring import Keyring, Person, Role
from bci_core.people.signing import PrivateKey
from bci_core.session.desk import OrderDesk, reset_statement
from bci_core.session.folder import SessionFolder
from bci_core.session.orders import OrderBox, give_order

CHANGE = {"reason": "trigger 7: charge", "at_s": 12.5, "detail": ""}


class Loop:
    def __init__(self) -> None:
        self.orders: list[dict[str, Any]] = []

    def send(self, order: dict[str, Any]) -> None:
        self.orders.append(order)


class Scene:
    """A desk with a loop that only hears, and a ledger that only keeps."""

    def __init__(self, tmp_path: Path, wait_s: float = 300.0, keys: bool = False) -> None:
        rig = load_rig("theta-phase")
        rig = replace(
            rig,
            session=rig.session.model_copy(update={"wait_for_reset_s": wait_s}),
            safety=rig.safety.model_copy(update={"require_approvals": keys}),
        )
        self.clock = VirtualClock(100.0)
        self.folder = SessionFolder.create(tmp_path, "test", self.clock)
        self.loop = Loop()
        self.rows: list[tuple[str, dict[str, Any]]] = []
        self.desk = OrderDesk(rig, self.folder, self, self.clock, "otto")  # type: ignore[arg-type]
        self.desk.box.open()
        self.count = 0

    def __getitem__(self, role: str) -> Loop:
        return self.loop

    def log(self, event: str, data: dict[str, Any], durable: bool = False) -> None:
        self.rows.append((event, data))

    def order(self, **order: Any) -> str:
        """Why it was refused, ""; "sent" while the loop has not answered."""
        self.count += 1
        box = self.folder.path / "orders"
        (box / f"{self.count}.order").write_text(json.dumps(order))
        self.desk.serve()
        answer = box / f"{self.count}.answer"
        if not answer.exists():
            return "sent"
        refused: str = json.loads(answer.read_text())["refused"]
        return refused


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    made = Scene(tmp_path)
    assert made.desk.latch(CHANGE)[1]
    return made


def test_a_second_persons_name_resets_a_simulated_session(scene: Scene) -> None:
    assert scene.desk.latched == "trigger 7: charge"
    assert scene.order(do="reset", by="ada") == "sent"
    assert scene.loop.orders == [{"do": "reset", "actor": "ada", "role": ""}]
    assert scene.rows[0][0] == "reset.intent"
    assert scene.rows[0][1]["latched_at_s"] == 12.5
    scene.desk.heard("")
    scene.desk.reset()
    assert scene.desk.latched == ""
    assert scene.order(do="reset", by="ada") == "nothing is latched"


@pytest.mark.parametrize("by", ["otto", " Otto ", "", None])
def test_who_runs_it_does_not_reset_it(scene: Scene, by: str | None) -> None:
    told = {} if by is None else {"by": by}
    assert "otto runs the session; a second person has to reset" in scene.order(do="reset", **told)
    assert scene.loop.orders == []
    assert scene.rows[0][0] == "order.refused"


def test_what_the_loop_refuses_is_answered(scene: Scene) -> None:
    scene.order(do="reset", by="ada")
    scene.desk.heard("guard: 10 s since it spoke, limit at least 60 s")
    answer = (scene.folder.path / "orders" / "1.answer").read_text()
    assert "limit at least 60 s" in answer
    assert scene.desk.latched
    scene.desk.heard("nobody asked")


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, PrivateKey]:
    roles = {"ada": Role.CLINICIAN, "otto": Role.RESEARCHER, "olga": Role.OPERATOR}
    made = {name: PrivateKey.create(tmp_path / name, "long enough") for name in (*roles, "eve")}
    people = tuple(Person(name, role, made[name].public) for name, role in roles.items())
    Keyring(people, "").save(tmp_path / "people.toml")
    monkeypatch.setenv("BCI_PEOPLE", str(tmp_path / "people.toml"))
    return made


def test_with_keys_a_signature_for_this_latch_is_needed(
    tmp_path: Path, keys: dict[str, PrivateKey]
) -> None:
    scene = Scene(tmp_path, keys=True)
    scene.desk.latch(CHANGE)
    statement = reset_statement(scene.folder, CHANGE)

    def signed(name: str, **changes: Any) -> str:
        one = keys[name].sign(statement | changes, scene.clock)
        return scene.order(do="reset", signed=one.to_dict())

    assert "a reset needs a second person's key here" in scene.order(do="reset", by="ada")
    assert "otto runs the session" in signed("otto")
    assert "olga is an operator; somebody in another role" in signed("olga")
    assert "nobody with it is in" in signed("eve")
    for changes in ({"session": "another"}, {"latched_at_s": 11.0}, {"what": "unblind"}):
        assert "ada (clinician): signed the reset of something else" in signed("ada", **changes)
    assert "not a signed statement" in scene.order(do="reset", signed={"x": 1})
    assert scene.loop.orders == []
    assert signed("ada") == "sent"
    assert scene.loop.orders == [{"do": "reset", "actor": "ada", "role": "clinician"}]
    assert scene.rows[-1][1]["key"].startswith("sha256:")


def test_a_session_that_is_not_to_wait_does_not(tmp_path: Path) -> None:
    assert Scene(tmp_path, wait_s=0.0).desk.latch(CHANGE) == ("latched: trigger 7: charge", False)


def test_nobody_is_waited_for_longer_than_the_rig_says(scene: Scene) -> None:
    scene.clock.sleep_until(399.0)
    assert scene.desk.latch({**CHANGE, "reason": "another"})[1]
    assert scene.desk.serve() == ""
    scene.clock.sleep_until(400.1)
    assert scene.desk.serve() == "latched: trigger 7: charge, and not reset within 300 s"


def test_limits_are_tightened_and_never_loosened(scene: Scene) -> None:
    assert scene.order(do="tighten", limits={"lockout_s": 0.5}, by="ada") == "sent"
    assert scene.loop.orders == [{"do": "tighten", "limits": {"lockout_s": 0.5}}]
    assert scene.rows == [("tighten.intent", {"limits": {"lockout_s": 0.5}, "by": "ada"})]
    refused = scene.order(do="tighten", limits={"lockout_s": 0.4})
    assert "lockout: 0.4 s is looser than 0.5 s; loosening needs a new session" in refused
    assert "limits: give names and values" in scene.order(do="tighten")
    assert len(scene.loop.orders) == 1


def test_what_is_no_order_is_refused(scene: Scene) -> None:
    assert "no order is called 'fire'; orders: reset, tighten" in scene.order(do="fire")
    box = scene.folder.path / "orders"
    for name, text in (("a", "{"), ("b", "[]"), ("c", '{"do": "' + "x" * 100_000 + '"}')):
        (box / f"{name}.order").write_text(text)
        scene.desk.serve()
        assert "not an order" in (box / f"{name}.answer").read_text()
    assert scene.loop.orders == []


@pytest.fixture
def running(tmp_path: Path) -> SessionFolder:
    clock = LslClock()
    folder = SessionFolder.create(tmp_path, "test", clock)
    folder.mark_running(os.getpid(), os.getpid())
    return folder


def served(box: OrderBox, refused: str) -> Callable[[], None]:
    def serve() -> None:
        while not (taken := box.take()):
            LslClock().sleep_until(LslClock().now_s() + 0.01)
        for name, _ in taken:
            box.answer(name, refused)

    return serve


@pytest.mark.parametrize("refused", ["", "not now"])
def test_an_order_is_given_and_its_answer_waited_for(running: SessionFolder, refused: str) -> None:
    box = OrderBox(running)
    box.open()
    thread = Thread(target=served(box, refused))
    thread.start()
    if refused:
        with pytest.raises(RunError, match="refused: not now"):
            give_order(running, {"do": "reset"}, LslClock())
    else:
        give_order(running, {"do": "reset"}, LslClock())
    thread.join()
    assert list((running.path / "orders").iterdir()) == []
    box.close()
    with pytest.raises(SessionError, match="takes no orders"):
        give_order(running, {"do": "reset"}, LslClock())


def test_a_session_that_does_not_answer_or_run_is_told(running: SessionFolder) -> None:
    OrderBox(running).open()
    with pytest.raises(RunError, match=r"did not answer within 0\.05 s"):
        give_order(running, {"do": "reset"}, LslClock(), timeout_s=0.05)
    running.mark_ended()
    with pytest.raises(SessionError, match="is not running"):
        give_order(running, {"do": "reset"}, LslClock())
    assert list((running.path / "orders").iterdir()) == []
