"""Progress of a command that works for a while: one line, in place or one after another."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console


@contextmanager
def saying(console: Console) -> Iterator[Callable[[str], None]]:
    """The last line in place on a terminal, one line after another on a pipe."""
    if not console.is_terminal:
        yield lambda line: console.print(line, markup=False, soft_wrap=True)
        return
    with console.status("starting") as status:
        yield lambda line: status.update(line.replace("[", r"\["))
