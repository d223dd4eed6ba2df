"""What holds for every test: LSL keeps to this machine, and says nothing."""

import os
import tempfile
from pathlib import Path

import pytest

from streams.lsl_config import confinement

# liblsl reads this once, at its first use in a process.
_folder = tempfile.TemporaryDirectory(prefix="bci-tests-")
_config = Path(_folder.name) / "lsl_api.cfg"
_config.write_text(confinement("machine", "127.0.0.1", ["127.0.0.1"]))
os.environ["LSLAPICFG"] = str(_config)


@pytest.fixture
def shared_data() -> Path:
    """Real recordings beside the project, where there are any."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no real recordings beside the project")
    return folder
