"""What one sample and one detection cost the loop, without the wire. Prints; judges nothing."""

from dataclasses import replace

import numpy as np

from bci_core.chunk import Chunk
from bci_core.clock import VirtualClock
from bci_core.config.load import load_rig
from bci_core.control.direct_link import DirectLink
from bci_core.events import Detection, Outcome, Situation
from bci_core.safety.arming import Arming
from bci_core.session import build

RIG = load_rig("bench-latency")
RATE_HZ = 1000.0


def sine(n: int) -> Chunk:
    amplifier = build.amplifier(RIG, VirtualClock())
    amplifier.open()
    chunks = []
    while sum(map(len, chunks)) < n:
        chunks.append(amplifier.read(1.0))
    samples = np.concatenate([c.samples for c in chunks])[:n]
    return Chunk(samples, np.arange(n) / RATE_HZ)


def test_one_sample_through_monitor_and_kernel(benchmark) -> None:
    info = replace(build.amplifier(RIG, VirtualClock()).describe(), rate_hz=RATE_HZ)
    sensing = build.sensing(RIG, info, lead_s=0.01)
    chunk = sine(2000)
    blocks = iter([Chunk(chunk.samples[i : i + 1], chunk.times_s[i : i + 1]) for i in range(2000)])
    benchmark.pedantic(lambda: sensing.update(next(blocks)), rounds=2000)
    assert sensing.counts().samples == 2000


def test_one_detection_from_policy_to_gate(benchmark) -> None:
    clock = VirtualClock(start_s=100.0)
    arming = Arming(RIG.arming)
    link = DirectLink(build.stimulator(RIG), clock)
    wired = build.wire(RIG, link, arming)
    arming.connect(100.0)
    link.load(wired.protocol.programs())
    arming.configure(100.0)
    arming.heartbeat(100.0)
    arming.samples(100.0)
    arming.arm(5.0, "benchmark", 100.0)
    link.arm(2.0)

    def next_cycle() -> tuple[tuple[Detection, Situation], dict[str, object]]:
        for answer in link.poll():
            if hasattr(answer, "outcome"):
                assert answer.outcome is Outcome.DELIVERED
                wired.gate.note(answer)
        clock.sleep_until(clock.now_s() + 1.0 / 30.0)
        now_s = clock.now_s()
        arming.heartbeat(now_s)
        arming.samples(now_s)
        link.renew()
        detection = Detection(0, now_s, now_s + 0.01, 14.0)
        return (detection, Situation(now_s, now_s, now_s, arming.check(now_s))), {}

    act = benchmark.pedantic(wired.loop.act, setup=next_cycle, rounds=500)
    ((trigger, answer),) = act.triggers
    assert trigger.seq == answer.seq == 500
