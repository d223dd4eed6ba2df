"""Messages over pipes: whole, in order, never blocking, and the other side's death is seen."""

import os
from collections.abc import Iterator

import pytest

from bci_core.session.channel import Channel


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel, list[int]]]:
    a_read, b_write = os.pipe()
    b_read, a_write = os.pipe()
    fds = [a_read, a_write, b_read, b_write]
    yield Channel(a_read, a_write), Channel(b_read, b_write), fds
    for fd in fds:
        try:
            os.close(fd)
        except OSError:
            continue


Ends = tuple[Channel, Channel, list[int]]


def test_messages_arrive_whole_and_in_order(ends: Ends) -> None:
    one, other, _ = ends
    for number in range(100):
        one.send({"do": "count", "number": number, "text": "θ"})
    assert [m["number"] for m in other.wait(1.0)] == list(range(100))
    assert other.receive() == []


def test_floats_survive_to_the_bit(ends: Ends) -> None:
    one, other, _ = ends
    one.send({"value": 0.1 + 0.2, "time": 3168.6212750000002})
    assert other.wait(1.0) == [{"value": 0.1 + 0.2, "time": 3168.6212750000002}]


def test_a_full_pipe_holds_nobody_up_and_loses_nothing(ends: Ends) -> None:
    one, other, _ = ends
    sent = [{"number": n, "padding": "x" * 1000} for n in range(500)]
    for message in sent:
        one.send(message)
    assert not one.flush()
    got = []
    while len(got) < len(sent):
        got += other.wait(0.1)
        one.flush()
    assert got == sent
    assert one.flush()


def test_half_a_line_waits_for_its_other_half(ends: Ends) -> None:
    one, _, fds = ends
    os.write(fds[3], b'{"a":')
    assert one.wait(0.1) == []
    os.write(fds[3], b"1}\n")
    assert one.wait(1.0) == [{"a": 1}]


def test_the_end_of_the_other_side_is_seen_after_its_last_words(ends: Ends) -> None:
    one, other, fds = ends
    other.send({"event": "done"})
    os.close(fds[3])
    assert one.wait(1.0) == [{"event": "done"}]
    assert one.receive() == []
    assert one.closed
    assert one.wait(1.0) == []


def test_sending_to_nobody_is_no_error_and_last_words_are_still_heard(ends: Ends) -> None:
    one, other, fds = ends
    other.send({"event": "fault"})
    os.close(fds[2])
    one.send({"event": "row"})
    one.send({"event": "row"})
    assert one.wait(1.0) == [{"event": "fault"}]
    assert not one.closed
    os.close(fds[3])
    assert one.wait(1.0) == []
    assert one.closed
