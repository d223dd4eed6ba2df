"""What stands in the way of a session is said, with what to do about it."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from bci_core.clock import VirtualClock
from bci_core.errors import InputError
from bci_core.session import doctor

CLOCK = VirtualClock()


class Backwards(VirtualClock):
    """Steps back once."""

    def __init__(self) -> None:
        super().__init__()
        self.readings: Iterator[float] = iter([0.0, 1.0, 2.0, 1.5, *range(3, 10_000)])

    def now_s(self) -> float:
        return next(self.readings)


def test_a_look_that_fails_is_a_finding_not_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Any) -> Any:
        raise InputError("there is no such thing")

    monkeypatch.setattr(doctor, "LOOKS", (broken,))
    (finding,) = doctor.examine()
    assert (finding.what, finding.ok) == ("broken", "bad")
    assert finding.found == "there is no such thing"
    assert finding.advice


def test_a_clock_that_runs_backwards_cannot_be_used() -> None:
    finding = doctor._clock(Backwards())
    assert (finding.ok, finding.found) == ("bad", "ran backwards")


def test_another_package_of_the_same_name_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor._package_names(CLOCK).ok == "ok"
    monkeypatch.setattr(doctor, "PACKAGES", ("json",))
    finding = doctor._package_names(CLOCK)
    assert finding.ok == "bad"
    assert finding.found.endswith("json")
    assert "venv of its own" in finding.advice


def test_scheduling_that_is_not_granted_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(*_: Any) -> None:
        raise PermissionError(1, "not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", refused)
    finding = doctor._scheduling(CLOCK)
    assert (finding.ok, finding.found) == ("note", "not granted")
    assert "limits.conf" in finding.advice


def test_an_old_liblsl_and_a_cold_cache_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr(doctor.pylsl, "library_version", lambda: 116)
    assert doctor._liblsl(CLOCK).ok == "bad"
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    assert doctor._numba_cache(CLOCK).found == "cold"
    (tmp_path / "a.nbi").touch()
    assert doctor._numba_cache(CLOCK).found == "1 kernels compiled"


def test_no_namespace_is_worth_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.privacy, "can_be_private", lambda: "the kernel says no")
    finding = doctor._private_network(CLOCK)
    assert (finding.ok, finding.advice) == ("note", "the kernel says no")
