"""What a simulated agent is like: the values of its spec, how one is loaded and drawn from.

A spec is a YAML file; every key may be left out::

    provider: simulated
    model: simulated-1
    calls: {uniform: [1, 8]}                        # model calls of one build
    calls_with_files: {uniform: [1, 6]}             # the same when it is shown files
    input: {lognormal: {median: 3000, sigma: 0.6}}  # tokens of one call
    cache_read: 0
    output: {lognormal: {median: 400, sigma: 0.5}}
    seconds: {exponential: 0.2}                     # time of one call
    success: 0.8                                    # chance that a build does what was asked
    success_with_context: 0.8                       # the same when it is told the run's intention
    error: 0.0                                      # that the provider answers 500 half way
    crash: 0.0                                      # that the agent ends half way
    hang: 0.0                                       # that a call is never answered

A number is itself; ``uniform`` has its least and its most, ``lognormal`` its median and the
standard deviation of its logarithm, ``exponential`` its mean. Counts are rounded and at least 0,
calls at least 1. A build that succeeds writes ``done`` into every deliverable of its phase (or
into ``<phase>.txt``), any other writes ``broken``, so ``grep -q done FILE`` is a check.
"""

from __future__ import annotations

import math
from pathlib import Path
from random import Random
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from autopack.model.errors import BadInput
from autopack.plan.problems import typed_values

Chance = Annotated[float, Field(ge=0, le=1)]
Size = Annotated[float, Field(ge=0, le=1e9)]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Lognormal(_Value):
    """A distribution whose logarithm is normal."""

    median: Size
    """The median."""
    sigma: Annotated[float, Field(ge=0, le=5)]
    """The standard deviation of the logarithm."""


class Distribution(_Value):
    """Exactly one of these; a plain number in a spec is ``constant``."""

    constant: Size | None = None
    """Always this number; what a plain number means."""
    uniform: tuple[Size, Size] | None = None
    """The least and the most."""
    lognormal: Lognormal | None = None
    """A log-normal distribution."""
    exponential: Size | None = None
    """The mean."""

    @model_validator(mode="before")
    @classmethod
    def _number(cls, data: object) -> object:
        return {"constant": data} if isinstance(data, int | float) else data

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise ValueError("use one of a number, uniform, lognormal, exponential")
        if self.uniform is not None and self.uniform[0] > self.uniform[1]:
            raise ValueError("uniform has its least first")
        return self

    def draw(self, random: Random) -> float:
        """One value."""
        if self.uniform is not None:
            return random.uniform(*self.uniform)
        if self.lognormal is not None:
            return self.lognormal.median * math.exp(random.gauss(0.0, self.lognormal.sigma))
        if self.exponential is not None:
            return random.expovariate(1 / self.exponential) if self.exponential else 0.0
        return self.constant or 0.0

    def count(self, random: Random) -> int:
        """One value as a whole number."""
        return round(self.draw(random))


class Simulation(_Value):
    """A simulated agent."""

    provider: str = "simulated"
    """Who is paid."""
    model: str = "simulated-1"
    """The model that answers."""
    calls: Distribution = Distribution(uniform=(1, 8))
    """Model calls of one build, at least 1."""
    calls_with_files: Distribution | None = None
    """The same of a build that is shown files of the repository; `calls` when unset."""
    input: Distribution = Distribution(lognormal=Lognormal(median=3000, sigma=0.6))
    """Input tokens of one call."""
    cache_read: Distribution = Distribution(constant=0)
    """Cached input tokens of one call."""
    output: Distribution = Distribution(lognormal=Lognormal(median=400, sigma=0.5))
    """Output tokens of one call."""
    seconds: Distribution = Distribution(constant=0)
    """Time of one call."""
    success: Chance = 0.8
    """The chance that a build does what was asked."""
    success_with_context: Chance | None = None
    """The same when it is told the run's intention; `success` when unset."""
    error: Chance = 0.0
    """The chance that the provider answers 500 half way."""
    crash: Chance = 0.0
    """The chance that the agent ends half way."""
    hang: Chance = 0.0
    """The chance that a call is never answered."""

    @model_validator(mode="after")
    def _chances_add_up(self) -> Self:
        if self.error + self.crash + self.hang > 1:
            raise ValueError("the chances of error, crash and hang add up to more than 1")
        return self


def load_simulation(path: Path) -> Simulation:
    """Read a spec; raises BadInput naming the key at fault."""
    try:
        data = typed_values(path.read_text(encoding="utf-8"), "spec")
        return Simulation.model_validate(data or {})
    except OSError as error:
        raise BadInput(
            f"the spec {path} cannot be read: {error.strerror}",
            field="spec",
            hint="name a YAML file, or leave spec out",
        ) from error
    except UnicodeDecodeError as error:
        raise BadInput(
            f"the spec {path} is not UTF-8 text", field="spec", hint="save it as UTF-8 text"
        ) from error
    except BadInput as error:
        raise BadInput(
            f"the spec {path}: {error.message}", field=error.field, hint=error.hint
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "spec"
        raise BadInput(f"the spec {path}: {place}: {first['msg']}", field=place) from error
