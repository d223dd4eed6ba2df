"""`bci reset` and `bci tighten`: what they ask of a session that runs."""

import os
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from typer.testing import CliRunner

from bci_core.cli.app import app
from bci_core.clock import LslClock
from bci_core.errors import BciError
from bci_core.people.signing import PrivateKey, Signed
from bci_core.record.ledger import Ledger
from bci_core.session.desk import reset_statement
from bci_core.session.folder import SessionFolder
from bci_core.session.orders import OrderBox

CLOCK = LslClock()
WORDS = "long enough"


class Running:
    """A session folder of a process that runs, and what is asked of it."""

    def __init__(self, tmp_path: Path) -> None:
        self.folder = SessionFolder.create(tmp_path, "test", CLOCK)
        self.ledger = Ledger(self.folder.ledger, CLOCK)
        self.folder.mark_running(os.getpid(), os.getpid())
        self.box = OrderBox(self.folder)
        self.box.open()
        self.asked: list[dict[str, Any]] = []

    def bci(self, *arguments: str) -> str:
        def serve() -> None:
            until_s = CLOCK.now_s() + 5.0
            while not self.asked and CLOCK.now_s() < until_s:
                for name, order in self.box.take():
                    self.asked.append(order)
                    self.box.answer(name, "")
                CLOCK.sleep_until(CLOCK.now_s() + 0.01)

        thread = Thread(target=serve)
        thread.start()
        told = bci(arguments[0], str(self.folder.path), *arguments[1:])
        self.asked = self.asked or [{}]
        thread.join()
        return told


def bci(*arguments: str) -> str:
    done = CliRunner().invoke(app, arguments)
    if isinstance(done.exception, BciError):
        return f"bci: {done.exception}"
    assert done.exception is None, done.exception
    return done.stdout


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    made = Running(tmp_path)
    yield made
    made.ledger.close()


def test_a_reset_by_name_is_asked_for(running: Running) -> None:
    assert "reset; it is armed again" in running.bci("reset", "--by", "ada")
    assert running.asked == [{"do": "reset", "by": "ada"}]


def test_a_reset_is_signed_for_the_first_latch_since_the_last_reset(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BCI_PASSPHRASE", WORDS)
    key = PrivateKey.create(tmp_path / "ada.key", WORDS)
    for event, at_s in (("latched", 1.0), ("reset", 2.0), ("latched", 3.0), ("latched", 4.0)):
        running.ledger.append(event, "loop", {"reason": f"at {at_s}", "at_s": at_s})
    running.bci("reset", "--key", str(tmp_path / "ada.key"))
    (order,) = running.asked
    signed = Signed.from_dict(order["signed"])
    assert signed.is_by(key.public)
    assert signed.statement == reset_statement(running.folder, {"reason": "at 3.0", "at_s": 3.0})


def test_with_a_key_and_nothing_latched_there_is_nothing_to_sign(
    running: Running, tmp_path: Path
) -> None:
    running.ledger.append("latched", "loop", {"reason": "x", "at_s": 1.0})
    running.ledger.append("reset", "loop", {"reason": "reset", "at_s": 2.0})
    assert "nothing is latched" in running.bci("reset", "--key", "ada.key")


@pytest.mark.parametrize("who", [(), ("--by", "ada", "--key", "ada.key")])
def test_who_resets_has_to_be_said_in_one_way(running: Running, who: tuple[str, ...]) -> None:
    assert "give either --key or --by" in running.bci("reset", *who)


def test_tighter_limits_are_asked_for_by_name_and_value(running: Running) -> None:
    told = running.bci("tighten", "lockout_s=0.5", "trains_per_hour=100", "--by", "ada")
    assert "lockout_s is 0.5, trains_per_hour is 100" in told
    limits = {"lockout_s": 0.5, "trains_per_hour": 100.0}
    assert running.asked == [{"do": "tighten", "limits": limits, "by": "ada"}]


@pytest.mark.parametrize("limit", ["lockout_s", "lockout_s=", "lockout_s=soon"])
def test_what_is_no_limit_is_said(running: Running, limit: str) -> None:
    assert "write LIMIT=VALUE, as lockout_s=0.5" in running.bci("tighten", limit)
