"""What holds for every test: LSL keeps to this machine, and says nothing."""

import os
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

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


STAGES = ("tests/closed_loop/", "tests/bench/live/", "tests/bench/test_bench_runs.py")
"""Where whole sessions run, several at a time: from one worker, or they would crowd the machine."""


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """As ``--dist loadfile``, with all of `STAGES` as one file."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class OneStage(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "stage" if nodeid.startswith(STAGES) else nodeid.split("::", 1)[0]

    return OneStage(config, log)


# Tests of what the coverage gate asks for. Tracing makes every other test slower too.
TRACED = (
    "config",
    "control",
    "drivers",
    "safety",
    "session",
    "stim_protocols",
    "stimulator",
    "streams",
    "test_errors.py",
    "test_holds.py",
    "testing",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.relative_to(here).parts[0] not in TRACED:
            item.add_marker("no_cover")


@pytest.fixture
def shared_data() -> Path:
    """Real recordings beside the project, where there are any."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no real recordings beside the project")
    return folder
