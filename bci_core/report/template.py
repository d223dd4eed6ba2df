"""What the pages have in common: the template's environment, and files of our own."""

from collections.abc import Callable, Mapping
from importlib.resources import files as package_files
from math import isfinite
from typing import Any

from bokeh.document import Document
from bokeh.embed import components
from bokeh.models import LayoutDOM
from bokeh.resources import Resources
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup


def resource(name: str) -> str:
    """A file of this package."""
    return (package_files("bci_core.report") / name).read_text("utf-8")


def bokeh_scripts() -> Markup:
    """Only the core of BokehJS: no widgets, tables, WebGL or MathJax."""
    scripts = Resources(mode="inline", components=["bokeh"]).js_raw
    return Markup("\n".join(scripts))  # noqa: S704 - bokeh's own files


def embedded(plots: Mapping[str, LayoutDOM]) -> tuple[Markup, dict[str, Markup]]:
    """Script and elements of plots, by their names; nothing of nothing."""
    if not plots:
        return Markup(), {}
    document = Document()
    with document.models.freeze():  # Else bokeh looks through all of them after each.
        for one in plots.values():
            document.add_root(one)
    script, divs = components(dict(plots))
    # Bokeh escapes what goes into its JSON.
    return Markup(script), {name: Markup(div) for name, div in divs.items()}  # noqa: S704


def environment() -> Environment:
    """Whatever goes into a page is escaped; a name that is not there is an error."""
    made = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    filters: dict[str, Callable[..., str]] = {
        "ms": lambda x: _known(x, lambda v: f"{v:.3g} ms" if v < 100 else f"{v:.0f} ms"),
        "bare_ms": lambda x: _known(x, lambda v: f"{v:.3f}"),
        "number": lambda x, digits: _known(x, lambda v: f"{v:.{digits}f}"),
        "signed": lambda x, digits: _known(x, lambda v: f"{v:+.{digits}f}".replace("-", "−")),
        "general": lambda x, digits=4: _known(x, lambda v: f"{v:.{digits}g}"),
        "unit": _unit,
        "words": words,
        "seconds": lambda x: _known(x, _duration),
    }
    made.filters.update(filters)
    return made


def _known(value: Any, write: Callable[[float], str]) -> str:
    """A number as text, and a dash for one that is not there."""
    if isinstance(value, (int, float)) and isfinite(value):
        return write(float(value))
    return "–"


def words(key: str) -> str:
    """A key of the summary as people say it."""
    said = key.removesuffix("_ms").replace("_to_", " → ").replace("_", " ")
    return said.replace("p999", "p99.9")


def _unit(text: str) -> str:
    """As printed: the ledger keeps to ASCII."""
    for plain, printed in (("log10", "log₁₀"), ("uC", "µC"), ("uA", "µA"), ("^2", "²")):
        text = text.replace(plain, printed)
    return text.replace("cm2", "cm²")


def _duration(seconds: float) -> str:
    if seconds < 120.0:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"
