"""The one way kernels are compiled here.

Eager, for an explicit signature, so that nothing compiles after arming;
cached on disk, so that only the first run pays; without the interpreter lock;
and without fastmath, which would let a result depend on how samples were cut
into chunks (law 7).
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])

_ROOT = Path(__file__).parent


_interpreted = False


def interpret() -> None:
    """Leave the kernels of modules imported from now on as they are, in this process.

    For a process that reads a detector's settings and builds it to see whether it can be
    built, and hands it no sample: compiled code takes most of a second to load.
    """
    global _interpreted  # noqa: PLW0603 - of the process, as what it has imported is
    _interpreted = True


def compiled(signature: Any) -> Callable[[F], F]:
    """Compile a function in nopython mode for one signature.

    Parameters
    ----------
    signature : str or numba signature
        Such as ``KERNEL`` below.

    Returns
    -------
    callable
        A decorator that keeps the function's Python type.
    """
    return _decorator(signature)


def inlined(function: F) -> F:
    """Compile a small function into each kernel that calls it.

    A call of its own costs more than the work of a few lines: some nanoseconds for each
    array that is handed over.
    """
    made: F = _decorator(inline="always")(function)
    return made


def _decorator(*signature: Any, **how: Any) -> Callable[[F], F]:
    if _interpreted:
        return lambda function: function
    import numba

    _use_cache_folder()
    njit: Any = numba.njit  # its overloads know no signature handed on
    how |= {"nogil": True, "cache": True, "fastmath": False, "error_model": "numpy"}
    compile_now = cast("Callable[[F], F]", njit(*signature, **how))

    def decorated(function: F) -> F:
        with _alone_with(function):
            return compile_now(function)

    return decorated


@contextmanager
def _alone_with(function: Callable[..., Any]) -> Iterator[None]:
    """While no other process compiles this function: who waited finds it in the cache.

    Another process may well compile another function at the same time.
    """
    folder = Path(os.environ.get("NUMBA_CACHE_DIR") or cache_folder())
    with ExitStack() as held:
        # Where nothing can be written or locked, each process compiles for itself.
        with suppress(OSError):
            name = f"{function.__module__}.{function.__qualname__}.lock"
            lock = held.enter_context((folder / name).open("wb"))
            fcntl.flock(lock, fcntl.LOCK_EX)  # ends with the process, however that ends
        yield


@cache
def cache_folder() -> Path:
    """Where compiled kernels are kept: one folder for each state of the sources.

    Numba renews a cached function when its own file changes, but not when a function
    that was inlined into it does; that one may stand in another file.
    """
    sources = sorted([*_ROOT.glob("*.py"), *(_ROOT / "detection").glob("*.py")])
    sources += sorted((_ROOT.parent / "streams").glob("*.py"))
    sources += sorted((_ROOT.parent / "drivers" / "amplifiers" / "simulated_brain").glob("*.py"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    return _ROOT / "__pycache__" / f"kernels-{digest[:16]}"


@cache
def _use_cache_folder() -> None:
    import numba

    if os.environ.get("NUMBA_CACHE_DIR"):
        return  # somebody has chosen
    folder = cache_folder()
    if not folder.is_dir():
        for old in folder.parent.glob("kernels-*"):
            if old != folder:  # another process may just have made it
                shutil.rmtree(old, ignore_errors=True)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            return  # not writable: numba finds a place of its own
    numba.config.CACHE_DIR = str(folder)  # type: ignore[attr-defined] # made at import


KERNEL = (
    "int64(float32[:, ::1], float64[::1], uint8[::1], float64[::1], float64[::1], float64[:, ::1])"
)
"""Signature of every detector kernel; see `bci_core.detection.compiled`."""

MONITOR = "void(float32[:, ::1], float64[::1], float64[::1], float64[::1], uint8[::1])"
"""Signature of the sample monitor's kernel; see `bci_core.detection.monitor`."""
