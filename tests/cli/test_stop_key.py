"""The key that stops, on a terminal of its own."""

import os
import pty
import sys
import termios
from collections.abc import Callable, Iterator
from threading import Event
from typing import Any

import pytest

from bci_core.cli import stop_key as module
from bci_core.cli.stop_key import stop_key


class Terminal:
    """A pseudo-terminal that stands as standard input, in the foreground of which we are."""

    def __init__(self) -> None:
        self.keyboard, self.number = pty.openpty()

    def fileno(self) -> int:
        return self.number

    def type(self, keys: bytes) -> None:
        os.write(self.keyboard, keys)

    def settings(self) -> list[Any]:
        return termios.tcgetattr(self.number)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    made = Terminal()
    monkeypatch.setattr(sys, "stdin", made)
    monkeypatch.setattr(os, "tcgetpgrp", lambda _number: os.getpgrp())
    yield made
    os.close(made.keyboard)
    os.close(made.number)


@pytest.mark.parametrize("keys", [b" ", b"s", b"S", b"abc s"])
def test_space_or_s_stops_from_a_thread_of_its_own(terminal: Terminal, keys: bytes) -> None:
    pressed = Event()
    with stop_key(pressed.set) as watched:
        assert watched
        terminal.type(keys)
        assert pressed.wait(5.0)


def test_other_keys_do_nothing_and_none_is_shown(terminal: Terminal) -> None:
    pressed = Event()
    with stop_key(pressed.set):
        terminal.type(b"xyq\n")
        assert not terminal.settings()[3] & (termios.ICANON | termios.ECHO)
        assert terminal.settings()[3] & termios.ISIG, "Ctrl-C has to go on working"
        assert not pressed.wait(0.1)


@pytest.mark.parametrize("fails", [False, True])
def test_the_terminal_is_restored_whatever_happens(terminal: Terminal, fails: bool) -> None:
    before = terminal.settings()

    def run() -> None:
        with stop_key(lambda: None):
            if fails:
                raise KeyboardInterrupt

    if fails:
        with pytest.raises(KeyboardInterrupt):
            run()
    else:
        run()
    assert terminal.settings() == before


def test_keys_are_heard_again_after_a_suspension(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.01)
    pressed, before = Event(), terminal.settings()
    with stop_key(pressed.set):
        termios.tcsetattr(terminal.number, termios.TCSANOW, before)  # as a shell does
        Event().wait(0.1)
        terminal.type(b" ")
        assert pressed.wait(5.0)


def test_in_the_background_nobody_elses_keys_are_taken(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.01)
    pressed = Event()
    with stop_key(pressed.set):
        monkeypatch.setattr(os, "tcgetpgrp", lambda _number: os.getpgrp() + 1)
        Event().wait(0.05)
        terminal.type(b" ")
        assert not pressed.wait(0.1)
    with stop_key(pressed.set) as watched:
        assert not watched


def no_file() -> int:
    raise OSError


@pytest.mark.parametrize("fileno", [no_file, lambda: -1, lambda: os.open(os.devnull, os.O_RDONLY)])
def test_without_a_terminal_there_is_no_key(
    fileno: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stdin:
        pass

    Stdin.fileno = staticmethod(fileno)  # type: ignore[attr-defined]
    monkeypatch.setattr(sys, "stdin", Stdin())
    with stop_key(lambda: None) as watched:
        assert not watched
