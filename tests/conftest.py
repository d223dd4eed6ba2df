"""What holds for every test: LSL keeps to this machine, and says nothing."""

import os
import tempfile
from importlib import import_module
from pathlib import Path

import pytest

# Tests run side by side, and linear algebra waits for its threads by spinning: with more
# than one thread each, several times the processor time goes by on a busy machine.
# Read when numpy is imported.
os.environ["MKL_NUM_THREADS"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"

from bci_core import detection
from streams.lsl_config import confinement

# liblsl reads this once, at its first use in a process.
_folder = tempfile.TemporaryDirectory(prefix="bci-tests-")
_config = Path(_folder.name) / "lsl_api.cfg"
_config.write_text(confinement("machine", "127.0.0.1", ["127.0.0.1"]))
os.environ["LSLAPICFG"] = str(_config)


def pytest_configure(config: pytest.Config) -> None:
    """Let two workers compile the kernels from both ends, where none are kept yet.

    Each is compiled by one process only: in the same order, one worker would wait for the
    other. Before anything is traced, since that makes compiling slower too.
    """
    worker = getattr(config, "workerinput", {}).get("workerid")
    if worker is not None:
        modules = sorted(Path(detection.__file__).parent.glob("*.py"), reverse=worker == "gw1")
        for path in modules:
            import_module(f"{detection.__name__}.{path.stem}")


SESSIONS = ("closed_loop", "bench/live", "bench/test_bench_runs.py")
"""Where whole sessions run in real time, several at once: they need the machine for themselves."""

# Tests of what the coverage gate asks for. Tracing makes every other test slower too.
TRACED = (
    "control",
    "drivers",
    "safety",
    "stim_protocols",
    "stimulator",
    "test_errors.py",
    "test_holds.py",
)


@pytest.hookimpl(tryfirst=True)  # before anything is selected by its markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if any(item.path.is_relative_to(here / each) for each in SESSIONS):
            item.add_marker("session")
        if item.path.relative_to(here).parts[0] not in TRACED:
            item.add_marker("no_cover")


@pytest.fixture
def shared_data() -> Path:
    """Real recordings beside the project, where there are any."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no real recordings beside the project")
    return folder
