"""The command path over real sockets: who may connect, what arrives, and who stops it."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from bci_core.clock import LslClock
from bci_core.errors import DeviceError, LinkError, SafetyError
from bci_core.events import Acceptance, Delivery, Outcome, Trigger
from bci_core.session.loop_node import STATUS_EVERY_S
from bci_core.session.nodes import SILENT_S
from bci_core.stimulus import BiphasicPulse, PulseTrain, StimProgram
from drivers.stimulators.microstim import Microstim
from drivers.stimulators.microstim_settings import MicrostimSettings
from streams.command_frames import MAX_FRAME_BYTES, RENEW_FRAME, json_frame
from streams.command_link import ORDER_S, CommandLink
from streams.command_requests import Arm, Hello, Load
from streams.command_server import CommandServer
from streams.keys import SessionKeys, fingerprint

CLOCK = LslClock()
KEYS = SessionKeys.generate()
PULSE = BiphasicPulse(20.0, 200.0, 60.0)
SHORT = StimProgram(1, "short", PulseTrain(PULSE, 100.0, 1), (1, 2))
LONG = StimProgram(2, "long", PulseTrain(PULSE, 500.0, 255), (1,))
TOO_STRONG = StimProgram(3, "strong", PulseTrain(BiphasicPulse(500.0, 200.0, 60.0), 100.0), (1,))


class Served:
    """A stimulator served by a thread of its own, as its process would."""

    def __init__(self, keys: SessionKeys = KEYS, **settings: Any) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.device = Microstim(MicrostimSettings(**settings))
        self.server = CommandServer(
            self.device, CLOCK, keys=keys.server_part(), on_event=self._note
        )
        self.endpoint = self.server.endpoint
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _note(self, name: str, data: dict[str, Any]) -> None:
        self.events.append((name, data))

    def _serve(self) -> None:
        self.server.run(self._stop.is_set, look_every_s=0.02)
        self.server.close()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def told(self, name: str) -> list[dict[str, Any]]:
        return [data for event, data in self.events if event == name]

    def disarmed_for(self) -> list[str]:
        return [data["reason"] for data in self.told("device_disarmed")]

    def link(self, keys: SessionKeys = KEYS, **more: Any) -> CommandLink:
        return CommandLink(self.endpoint, keys.client_part(), CLOCK, **more)


class Stage:
    """Opens servers and links, and closes what is open at the end."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def serve(self, **settings: Any) -> Served:
        served = Served(**settings)
        self._stack.callback(served.close)
        return served

    def link(self, served: Served, **more: Any) -> CommandLink:
        link = served.link(**more)
        self._stack.callback(link.close)
        return link

    def close(self) -> None:
        self._stack.close()


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.close()


def until(holds: Callable[[], Any], what: str, within_s: float = 5.0) -> None:
    end_s = CLOCK.now_s() + within_s
    while not holds():
        assert CLOCK.now_s() < end_s, f"{what} within {within_s} s"
        CLOCK.sleep_until(CLOCK.now_s() + 0.001)


def answers(link: CommandLink, n: int) -> list[Acceptance | Delivery]:
    got: list[Acceptance | Delivery] = []

    def enough() -> bool:
        got.extend(link.poll())
        return len(got) >= n

    until(enough, f"{n} answers")
    return got


def now_for(program: StimProgram, seq: int, sham: bool = False) -> Trigger:
    now_s = CLOCK.now_s()
    return Trigger(seq, program.program_id, now_s, now_s + 1.0, sham)


def test_a_trigger_comes_back_as_acceptance_and_delivery(stage: Stage) -> None:
    served = stage.serve()
    link = stage.link(served)
    assert link.load([SHORT]) == served.device.capabilities
    link.arm(1.0)
    assert link.disarmed_reason() == ""
    at_s = CLOCK.now_s() + 0.05
    sent_s = link.send(Trigger(1, 1, at_s, at_s + 0.01))
    acceptance, delivery = answers(link, 2)
    assert isinstance(acceptance, Acceptance)
    assert acceptance.refusal is None
    assert sent_s <= acceptance.accepted_s < at_s
    assert isinstance(delivery, Delivery)
    assert delivery.outcome is Outcome.DELIVERED
    assert delivery.onset_s == pytest.approx(at_s, abs=1.1e-6)
    assert delivery.charge_uc == SHORT.train.charge_uc
    assert served.told("delivery")[0]["seq"] == 1


def test_sham_and_refusal_arrive_whole(stage: Stage) -> None:
    link = stage.link(stage.serve())
    link.load([SHORT])
    link.arm(1.0)
    link.send(now_for(SHORT, 1, sham=True))
    assert [a.outcome for a in answers(link, 2) if isinstance(a, Delivery)] == [Outcome.SHAM]
    link.send(Trigger(2, 1, float("nan"), float("nan")))
    acceptance, delivery = answers(link, 2)
    assert isinstance(acceptance, Acceptance)
    assert acceptance.refusal is not None
    assert acceptance.refusal.limit == "not_finite"
    assert isinstance(delivery, Delivery)
    assert delivery.reason == str(acceptance.refusal)


def test_the_devices_refusals_come_back_as_its_own_errors(stage: Stage) -> None:
    link = stage.link(stage.serve())
    with pytest.raises(SafetyError, match="amplitude: 500 uA, limit 100 uA"):
        link.load([SHORT, TOO_STRONG])
    with pytest.raises(SafetyError, match="holds no program"):
        link.arm(1.0)
    link.load([SHORT])
    with pytest.raises(SafetyError, match="lease: 60 s, limit 2 s"):
        link.arm(60.0)
    link.arm(1.0)
    with pytest.raises(DeviceError, match="armed"):
        link.load([SHORT])


def test_heartbeats_keep_it_armed_and_their_end_is_told(stage: Stage) -> None:
    served = stage.serve()
    link = stage.link(served)
    link.load([SHORT])
    link.arm(0.2)
    for _ in range(10):
        CLOCK.sleep_until(CLOCK.now_s() + 0.04)
        link.renew()
        link.poll()
        assert link.disarmed_reason() == ""
    until(lambda: link.poll() or link.disarmed_reason(), "the end of the lease")
    assert link.disarmed_reason() == "lease expired"
    assert served.disarmed_for() == ["lease expired"]


def test_disarm_stops_a_train_and_says_why(stage: Stage) -> None:
    link = stage.link(stage.serve())
    link.load([LONG])
    link.arm(2.0)
    link.send(now_for(LONG, 1))
    CLOCK.sleep_until(CLOCK.now_s() + 0.05)
    link.disarm("operator")
    assert link.disarmed_reason() == "operator"
    delivery = answers(link, 2)[1]
    assert isinstance(delivery, Delivery)
    assert delivery.outcome is Outcome.ABORTED
    assert 0 < delivery.n_pulses < 255
    assert delivery.reason.startswith("operator")


def test_round_trips_are_measured_and_lose_no_answer(stage: Stage) -> None:
    link = stage.link(stage.serve())
    link.load([SHORT])
    link.arm(2.0)
    link.send(now_for(SHORT, 1))
    times_s = link.round_trip_s(200)
    assert times_s.shape == (200,)
    assert np.all(times_s > 0.0)
    assert len(answers(link, 2)) == 2


def test_nobody_there(unused_endpoint: str) -> None:
    with pytest.raises(LinkError, match=r"no connection within 0\.1 s"):
        CommandLink(unused_endpoint, KEYS.client_part(), CLOCK, timeout_s=0.1)


def test_a_server_that_comes_up_late_is_waited_for(stage: Stage, unused_endpoint: str) -> None:
    links: list[CommandLink] = []
    client = threading.Thread(
        target=lambda: links.append(CommandLink(unused_endpoint, KEYS.client_part(), CLOCK, 5.0))
    )
    client.start()
    CLOCK.sleep_until(CLOCK.now_s() + 0.1)
    server = CommandServer(
        Microstim(MicrostimSettings()),
        CLOCK,
        unused_endpoint,
        keys=KEYS.server_part(),
        on_event=lambda name, data: None,
    )
    while client.is_alive():
        server.step(0.01)
    links[0].close()
    server.close()


@pytest.fixture
def unused_endpoint() -> str:
    with zmq.Context() as context, context.socket(zmq.ROUTER) as socket:
        return f"tcp://127.0.0.1:{socket.bind_to_random_port('tcp://127.0.0.1')}"


def test_a_server_with_another_key_is_not_trusted(stage: Stage) -> None:
    served = stage.serve()
    other = KEYS.model_copy(update={"server_public": SessionKeys.generate().server_public})
    with pytest.raises(LinkError, match="does not have the server key of this session"):
        served.link(other, timeout_s=5.0)
    until(lambda: served.told("client_refused"), "the refusal to be told")
    assert "handshake failed" in served.told("client_refused")[0]["why"]


def test_an_unknown_key_is_refused_and_logged_with_its_fingerprint(stage: Stage) -> None:
    served = stage.serve()
    stranger = SessionKeys.generate()
    stranger = KEYS.model_copy(
        update={"client_public": stranger.client_public, "client_secret": stranger.client_secret}
    )
    with pytest.raises(LinkError, match="refused this client's key sha256:"):
        served.link(stranger, timeout_s=5.0)
    assert served.told("client_refused") == [
        {
            "why": "unknown key",
            "key": fingerprint(stranger.client_public),
            "address": "127.0.0.1",
        }
    ]
    assert served.told("client_connected") == []


def test_one_client_at_a_time_and_the_first_keeps_its_arms(stage: Stage) -> None:
    served = stage.serve()
    link = stage.link(served)
    link.load([SHORT])
    link.arm(2.0)
    with pytest.raises(LinkError, match="has another client"):
        served.link(timeout_s=5.0)
    assert [event["why"] for event in served.told("client_refused")] == [
        "another client is connected"
    ]
    # The refused one has disconnected since; that must not count as a loss of the first.
    assert link.round_trip_s(20).shape == (20,)
    link.poll()
    assert link.disarmed_reason() == ""
    assert served.told("client_lost") == []


def test_strangers_who_come_and_go_do_not_disarm(stage: Stage) -> None:
    served = stage.serve()
    link = stage.link(served)
    link.load([SHORT])
    link.arm(2.0)
    with zmq.Context() as context, context.socket(zmq.DEALER) as plain:
        plain.set(zmq.LINGER, 0)
        plain.connect(served.endpoint)
        until(lambda: served.told("client_refused"), "the plain client to be refused")
    assert link.round_trip_s(20).shape == (20,)
    link.poll()
    assert link.disarmed_reason() == ""


def test_in_doubt_about_which_connection_has_ended_it_disarms(stage: Stage) -> None:
    served = stage.serve()
    host, port = served.endpoint.removeprefix("tcp://").split(":")
    with socket.create_connection((host, int(port))):  # open already when the client comes
        link = stage.link(served, timeout_s=0.2)
        link.load([SHORT])
        link.arm(2.0)
    until(lambda: served.told("device_disarmed"), "the device to be disarmed")
    assert served.disarmed_for() == ["host lost"]
    # The client is told, but no longer answered; it has to connect anew.
    until(lambda: link.poll() or link.disarmed_reason(), "the client to be told")
    assert link.disarmed_reason() == "host lost"
    with pytest.raises(LinkError, match="did not answer"):
        link.arm(2.0)
    stage.link(served).arm(2.0)


def test_the_next_client_is_let_in_when_the_first_has_gone(stage: Stage) -> None:
    served = stage.serve()
    first = stage.link(served)
    first.load([SHORT])
    first.arm(2.0)
    first.close()
    until(lambda: served.told("client_lost"), "the loss to be noticed")
    second = stage.link(served)
    assert second.disarmed_reason() == "host lost"
    second.arm(1.0)
    second.send(now_for(SHORT, 1))
    assert len(answers(second, 2)) == 2


def test_a_client_that_closes_disarms_the_device(stage: Stage) -> None:
    served = stage.serve()
    link = stage.link(served)
    link.load([LONG])
    link.arm(2.0)
    link.send(now_for(LONG, 1))
    until(link.poll, "the acceptance")
    link.close()
    until(lambda: served.told("delivery"), "the delivery")
    assert served.told("delivery")[0]["outcome"] == "aborted"
    assert served.disarmed_for() == ["host lost"]
    with pytest.raises(LinkError, match="closed"):
        link.renew()
    with pytest.raises(LinkError, match="closed"):
        link.poll()


def test_a_server_that_ends_stops_its_device_and_the_link_knows(stage: Stage) -> None:
    served = stage.serve()
    link = stage.link(served)
    link.load([LONG])
    link.arm(2.0)
    link.send(now_for(LONG, 1))
    until(link.poll, "the acceptance")
    served.close()
    # Its last words first, then its loss.
    last = answers(link, 1)[0]
    assert isinstance(last, Delivery)
    assert last.outcome is Outcome.ABORTED
    with pytest.raises(LinkError, match="is gone"):
        link.poll()
    assert "is gone" in link.disarmed_reason()
    for call in (link.renew, lambda: link.disarm("late"), lambda: link.send(now_for(LONG, 2))):
        with pytest.raises(LinkError, match="is gone"):
            call()


def test_an_emergency_stop_wakes_the_server(stage: Stage) -> None:
    served = stage.serve()
    link = stage.link(served)
    link.load([LONG])
    link.arm(2.0)
    link.send(now_for(LONG, 1))
    until(link.poll, "the acceptance")
    served.server.disarm_soon("emergency stop")
    delivery = answers(link, 1)[0]
    assert isinstance(delivery, Delivery)
    assert delivery.reason.startswith("emergency stop")
    until(lambda: link.poll() or link.disarmed_reason(), "the link to know")
    assert link.disarmed_reason() == "emergency stop"


@contextmanager
def raw_client(served: Served) -> Iterator["zmq.Socket[bytes]"]:
    """The right key, and no manners."""
    with zmq.Context() as context, context.socket(zmq.DEALER) as raw:
        raw.set(zmq.LINGER, 0)
        raw.set(zmq.RCVHWM, 1)
        raw.set(zmq.RCVBUF, 4096)
        raw.set(zmq.CURVE_SERVERKEY, KEYS.server_public.encode())
        raw.set(zmq.CURVE_PUBLICKEY, KEYS.client_public.encode())
        raw.set(zmq.CURVE_SECRETKEY, (KEYS.client_secret or "").encode())
        raw.connect(served.endpoint)
        yield raw


def test_rubbish_from_the_right_client_neither_stops_nor_stimulates(stage: Stage) -> None:
    served = stage.serve()
    rubbish = ([b""], [b"\x01short"], [b"\x04{]"], [b"", b"\x02"], [b"\x02" * 2], [b"\xff"])
    with raw_client(served) as raw:
        for frames in rubbish:
            raw.send_multipart(frames)
        until(lambda: len(served.told("malformed")) == len(rubbish), "a report of each")
        assert served.told("delivery") == []
        # One that is too long is cut off, which counts as lost.
        raw.send(b"\x04" + b" " * MAX_FRAME_BYTES)
        until(lambda: served.told("client_lost"), "the loss")


def test_a_client_that_does_not_read_is_no_host(stage: Stage) -> None:
    served = stage.serve()
    with raw_client(served) as raw:
        raw.send(json_frame(Load(id=1, programs=(SHORT,))))
        raw.send(json_frame(Arm(id=2, lease_s=2.0)))
        hello = json_frame(Hello(id=3))
        end_s = CLOCK.now_s() + 10.0
        while not served.told("client_deaf"):
            assert CLOCK.now_s() < end_s, "a deaf client must be noticed"
            with suppress(zmq.Again):
                raw.send(RENEW_FRAME, zmq.DONTWAIT)
                raw.send(hello, zmq.DONTWAIT)
        until(lambda: served.told("device_disarmed"), "the device to be disarmed")
        assert served.disarmed_for() == ["host lost"]


def test_a_server_that_hangs_is_a_clear_error_and_a_full_queue_too() -> None:
    server = CommandServer(
        Microstim(MicrostimSettings()),
        CLOCK,
        keys=KEYS.server_part(),
        on_event=lambda name, data: None,
    )
    serving = threading.Event()
    serving.set()

    def serve() -> None:
        while serving.is_set():
            server.step(0.01)

    thread = threading.Thread(target=serve)
    thread.start()
    link = CommandLink(server.endpoint, KEYS.client_part(), CLOCK, timeout_s=0.2)
    serving.clear()
    thread.join()
    with pytest.raises(LinkError, match="did not answer the request to arm within"):
        link.arm(1.0)
    with pytest.raises(LinkError, match="does not listen"):
        fill_the_queue(link)
    link.close()
    server.close()


def test_an_order_is_given_up_before_the_loop_that_waits_is_taken_for_dead() -> None:
    assert ORDER_S + STATUS_EVERY_S < SILENT_S


def fill_the_queue(link: CommandLink) -> None:
    for seq in range(1, 10**6):
        link.send(Trigger(seq, 1, 0.0, 0.0))


def test_wrong_addresses_and_wrong_key_files(stage: Stage) -> None:
    with pytest.raises(LinkError, match="no address of a stimulator"):
        CommandLink("nonsense", KEYS.client_part(), CLOCK)
    with pytest.raises(LinkError, match=r"client\.json"):
        CommandLink("tcp://127.0.0.1:1", KEYS.server_part(), CLOCK)
    served = stage.serve()
    for endpoint, keys, message in (
        (served.endpoint, KEYS.server_part(), "cannot be served at"),
        ("tcp://127.0.0.1:*", KEYS.client_part(), r"server\.json"),
    ):
        with pytest.raises(LinkError, match=message):
            CommandServer(
                served.device, CLOCK, endpoint, keys=keys, on_event=lambda name, data: None
            )


HOST = """
import socket
import sys
from bci_core.clock import LslClock
from bci_core.events import Trigger
from bci_core.stimulus import BiphasicPulse, PulseTrain, StimProgram
from streams.command_link import CommandLink
from streams.keys import SessionKeys

clock = LslClock()
bare = socket.create_connection(("127.0.0.1", int(sys.argv[3])))
link = CommandLink(sys.argv[1], SessionKeys.load(sys.argv[2]), clock)
link.load([StimProgram(2, "long", PulseTrain(BiphasicPulse(20.0, 200.0, 60.0), 500.0, 255), (1,))])
link.arm(2.0)
link.send(Trigger(1, 2, clock.now_s(), clock.now_s() + 1.0))
while not link.poll():
    pass
print("stimulating", flush=True)
while True:
    link.renew()
    clock.sleep_until(clock.now_s() + 0.02)
"""


class BareEnd:
    """A plain TCP connection, and when its other end went: the floor of noticing a death."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.ended_s = float("nan")
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        with self._listener, self._listener.accept()[0] as connection:
            with suppress(ConnectionResetError):
                connection.recv(1)
            self.ended_s = CLOCK.now_s()

    def join(self) -> float:
        self._thread.join()
        return self.ended_s


@pytest.mark.realtime
@pytest.mark.processes
def test_current_stops_within_10_ms_of_a_host_that_is_killed(tmp_path: Path) -> None:
    KEYS.save(tmp_path)
    outlasted_s: list[float] = []
    floor_s: list[float] = []
    for _ in range(3):
        served, bare = Served(), BareEnd()
        arguments = [served.endpoint, str(tmp_path / "client.json"), str(bare.port)]
        with subprocess.Popen(
            [sys.executable, "-c", HOST, *arguments], stdout=subprocess.PIPE
        ) as host:
            assert host.stdout is not None
            assert host.stdout.readline() == b"stimulating\n"
            CLOCK.sleep_until(CLOCK.now_s() + 0.1)
            killed_s = CLOCK.now_s()
            os.kill(host.pid, signal.SIGKILL)
        floor_s.append(bare.join() - killed_s)
        until(partial(served.told, "delivery"), "the delivery")
        served.close()
        (delivery,) = served.told("delivery")
        assert delivery["outcome"] == "aborted"
        assert delivery["reason"].startswith("host lost")
        assert 0 < delivery["n_pulses"] < 255
        outlasted_s.append(delivery["offset_s"] - killed_s)
    # Pulses come every 2 ms, and the last may have ended just before the kill.
    assert min(outlasted_s) > -0.0025
    # The kernel closes a killed process's sockets when it has freed its memory. On a machine so
    # busy that this alone takes long, nobody can know sooner.
    limit_s = max(0.010, 2.0 * float(np.median(floor_s)))
    assert np.median(outlasted_s) < limit_s, f"{outlasted_s} s; a bare socket saw it in {floor_s} s"


@pytest.mark.realtime
def test_the_path_adds_little_to_a_bare_socket(stage: Stage) -> None:
    """Judged against ZeroMQ alone, echoing in a thread, without keys."""
    stop = threading.Event()
    link = stage.link(stage.serve())
    with zmq.Context() as context, context.socket(zmq.ROUTER) as echo:
        port = echo.bind_to_random_port("tcp://127.0.0.1")

        def serve() -> None:
            while not stop.is_set():
                if echo.poll(20):
                    echo.send_multipart(echo.recv_multipart())

        thread = threading.Thread(target=serve)
        thread.start()
        bare_s: list[float] = []
        ours_s: list[float] = []
        with context.socket(zmq.DEALER) as ping:
            ping.connect(f"tcp://127.0.0.1:{port}")
            for _ in range(20):  # by turns, since what else the machine does comes and goes
                for _ in range(25):
                    start_s = CLOCK.now_s()
                    ping.send(b"0123456789abcdef")
                    ping.recv()
                    bare_s.append(CLOCK.now_s() - start_s)
                ours_s.extend(link.round_trip_s(25))
        stop.set()
        thread.join()
    assert np.median(ours_s) < 3.0 * np.median(bare_s) + 1e-4
