"""A process may leave kernels as they are; what they compute is the same."""

import fcntl
import subprocess
import sys

from bci_core import jit

CODE = """
import sys
import numpy as np
from bci_core import jit
if sys.argv[1] == "interpreted":
    jit.interpret()
from bci_core.chunk import Chunk, StreamInfo
from bci_core.detection.band_power import BandPower
info = StreamInfo("x", 100.0, ("Cz",), "x")
detector = BandPower(BandPower.Settings(channel="Cz", band_hz=(8, 13), learning_s=1.0), info, 0.0)
times_s = np.arange(1000) / 100.0
rng = np.random.default_rng(0)
samples = rng.normal(0.0, 1.0, (1000, 1)) + (
    (times_s > 5.0) * 30.0 * np.sin(2 * np.pi * 10.0 * times_s)
)[:, np.newaxis]
found = detector.update(Chunk(samples.astype(np.float32), times_s))
print([(d.sample_index, round(d.value, 6)) for d in found], "numba" in sys.modules)
"""


def found(how):
    ran = subprocess.run(
        [sys.executable, "-c", CODE, how], capture_output=True, text=True, check=True
    )
    detections, numba = ran.stdout.strip().rsplit(" ", 1)
    return detections, numba == "True"


def test_interpreted_kernels_find_the_same_without_the_compiler():
    compiled, with_numba = found("compiled")
    assert with_numba
    assert compiled.count("(") >= 1
    interpreted, with_numba = found("interpreted")
    assert not with_numba
    assert interpreted == compiled


def kernel(x):
    return x + 1.0


def is_free(lock):
    with lock.open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def test_a_function_is_compiled_by_one_process_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    with jit._alone_with(kernel):
        (lock,) = tmp_path.glob("*kernel.lock")
        assert not is_free(lock)
        with jit._alone_with(is_free):  # another function may be compiled meanwhile
            pass
    assert is_free(lock)


def test_without_a_place_to_write_each_process_compiles_for_itself(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "nowhere"))
    with jit._alone_with(kernel):
        assert list(tmp_path.iterdir()) == []
