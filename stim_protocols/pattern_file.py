"""A stimulation pattern in space and time, as a file that tells where it came from.

JSON or TOML::

    {
      "format": "bci-pattern-1",
      "name": "two of three",
      "provenance": {"source": "drawn by hand", "made_by": "A. Author", "made_on": "2026-11-20"},
      "phase_us": 200.0,
      "interphase_us": 60.0,
      "pulses": [
        {"electrode": 1, "onset_s": 0.0, "amplitude_ua": 10.0},
        {"electrode": 3, "onset_s": 0.015, "amplitude_ua": 8.0}
      ],
      "sha256": "…"
    }

The hash is of all the rest, whatever the layout of the file, so a pattern that was changed
after it was made is not replayed. `sealed` makes the text of a file, hash included.
"""

import json
import tomllib
from collections import Counter
from collections.abc import Mapping
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bci_core.errors import ConfigError, Problem
from stim_protocols.pulse_settings import Amount, Count, Span

_STRICT = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
_Words = Annotated[str, Field(min_length=1)]


class PatternPulse(BaseModel):
    """One pulse on one electrode.

    Attributes
    ----------
    electrode : int
        Stimulator channel, counted from 1.
    onset_s : float
        From the start of the pattern; the first of all pulses is at 0.
    amplitude_ua : float
        Of both phases.
    """

    model_config = _STRICT

    electrode: Count
    onset_s: Span
    amplitude_ua: Amount


class PatternProvenance(BaseModel):
    """Where a pattern came from, in words.

    Attributes
    ----------
    source : str
        What it was taken from, or that it was made up.
    made_by, made_on : str
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    source: _Words
    made_by: _Words
    made_on: _Words


class PatternContent(BaseModel):
    """A pattern without its hash; see the module.

    Attributes
    ----------
    format, name : str
    provenance : PatternProvenance
        Further entries are kept, and are in the hash.
    phase_us, interphase_us : float
        Of every pulse, and the pause between its two phases, which are alike.
    pulses : tuple of PatternPulse
        In any order.
    """

    model_config = _STRICT

    format: Literal["bci-pattern-1"] = "bci-pattern-1"
    name: _Words
    provenance: PatternProvenance
    phase_us: Amount
    interphase_us: Span = 0.0
    pulses: Annotated[tuple[PatternPulse, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _one_thing_at_a_time(self) -> Self:
        first_s = min(pulse.onset_s for pulse in self.pulses)
        if first_s != 0.0:
            raise ValueError(
                f"the first pulse is at {first_s:g} s, limit: 0 s; count onset_s from it"
            )
        uses = Counter((pulse.electrode, pulse.onset_s) for pulse in self.pulses)
        (electrode, onset_s), times = uses.most_common(1)[0]
        if times > 1:
            raise ValueError(f"electrode {electrode} has {times} pulses at {onset_s:g} s, limit: 1")
        return self

    def digest(self) -> str:
        """SHA-256 of the content, in hexadecimal."""
        content = self.model_dump(mode="json", exclude={"sha256"})
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return sha256(text.encode()).hexdigest()


class Pattern(PatternContent):
    """A pattern as it stands in a file, whose hash is that of its content.

    Attributes
    ----------
    sha256 : str
        In hexadecimal.
    """

    sha256: str

    @model_validator(mode="after")
    def _is_what_was_made(self) -> Self:
        if self.sha256 != self.digest():
            raise ValueError(
                f"sha256 is {self.sha256[:12]}…, and that of the content {self.digest()[:12]}…: it "
                "was changed after it was made. Take the original, or make a pattern of its own "
                "of it, with its own provenance (stim_protocols.pattern_file.sealed)"
            )
        return self


def sealed(content: Mapping[str, Any]) -> str:
    """JSON text of a pattern file, from everything but its hash.

    Raises
    ------
    pydantic.ValidationError
        The content is no pattern.
    """
    made = PatternContent.model_validate(content)
    full = made.model_dump(mode="json") | {"sha256": made.digest()}
    return json.dumps(full, indent=2, allow_nan=False) + "\n"


def shipped_patterns() -> list[str]:
    """Names of the patterns that come with the package; all of them are made up."""
    folder = files("stim_protocols") / "patterns"
    return sorted(p.name.removesuffix(".json") for p in folder.iterdir() if p.name[-5:] == ".json")


def load_pattern(source: str) -> Pattern:
    """Read a pattern from a file, or one of `shipped_patterns` by name.

    Raises
    ------
    ConfigError
        There is no such file, or it is no pattern, or was changed; all mistakes are named.
    """
    try:
        if source in shipped_patterns():
            text = (files("stim_protocols") / "patterns" / f"{source}.json").read_text("utf-8")
        else:
            text = Path(source).read_text("utf-8")
        tree = tomllib.loads(text) if source.endswith(".toml") else json.loads(text)
        return Pattern.model_validate(tree)
    except (OSError, UnicodeDecodeError) as error:
        known = ", ".join(shipped_patterns())
        what = f"cannot be read ({error}); give a file, or one of: {known}"
        problems = [Problem("pattern", f"{source!r} {what}")]
    except ValidationError as error:
        problems = [
            Problem(".".join(["pattern", *map(str, item["loc"])]), f"{source}: {item['msg']}")
            for item in error.errors(include_url=False)
        ]
    except ValueError as error:
        problems = [Problem("pattern", f"{source} is neither JSON nor TOML ({error})")]
    raise ConfigError("protocol pattern_replay", problems)
