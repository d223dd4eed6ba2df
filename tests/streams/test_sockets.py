"""An I/O thread goes before the thread that made it, where that is granted."""

import os
from pathlib import Path

import pytest
import zmq

from streams.sockets import eager_context, readable


def echo_through(context: zmq.Context) -> bytes:
    """What comes out of a pair of sockets whose bytes go through the I/O thread."""
    with context.socket(zmq.PAIR) as server, context.socket(zmq.PAIR) as client:
        port = server.bind_to_random_port("tcp://127.0.0.1")
        client.connect(f"tcp://127.0.0.1:{port}")
        client.send(b"hello")
        assert server.poll(2000) == zmq.POLLIN
        assert readable(server)
        return server.recv()


def priorities() -> list[int]:
    """Real-time priorities of this process's threads, 0 for ordinary ones."""
    threads = (int(task.name) for task in Path("/proc/self/task").iterdir())
    return [os.sched_getparam(thread).sched_priority for thread in threads]


def become_realtime(priority: int) -> None:
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except PermissionError:
        pytest.skip("real-time scheduling is not permitted here")


@pytest.fixture
def ordinary_afterwards():
    yield
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def test_an_ordinary_thread_gets_an_ordinary_context() -> None:
    before = max(priorities())
    context = eager_context()
    assert echo_through(context) == b"hello"
    assert max(priorities()) == before
    context.destroy()


@pytest.mark.usefixtures("ordinary_afterwards")
def test_the_io_thread_of_a_real_time_thread_is_one_step_more_urgent() -> None:
    become_realtime(10)
    context = eager_context()
    assert echo_through(context) == b"hello"
    assert os.sched_getparam(0).sched_priority == 10
    assert max(priorities()) == 11
    context.destroy()


@pytest.mark.usefixtures("ordinary_afterwards")
def test_a_priority_that_is_not_granted_is_not_asked_for() -> None:
    become_realtime(os.sched_get_priority_max(os.SCHED_FIFO))  # nothing is above it
    context = eager_context()
    assert echo_through(context) == b"hello"
    context.destroy()
