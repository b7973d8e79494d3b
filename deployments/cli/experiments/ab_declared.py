"""What the ``ab`` commands are told of pairs and of their analysis, as groups of options."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from autopack.model.errors import BadInput

if TYPE_CHECKING:
    from autopack.experiments.shapes.analysis_protocol import AnalysisProtocol

Varies = Literal["features", "builder", "options", "model", "prompt", "budget"]
Names = list[str] | None


def several(text: str) -> Parameter:
    """Return an option that takes any number of words."""
    return Parameter(negative="", consume_multiple=True, help=text)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Where the pairs are, if not in a registered experiment."""

    csv: Annotated[
        Path | None,
        Parameter(
            help="Table of pairs, one a row, in the order they ran; - is the standard input.",
            allow_leading_hyphen=True,
        ),
    ] = None
    control_runs: Annotated[Names, several("Finished runs of one arm.")] = None
    treatment_runs: Annotated[Names, several("Those of the other, matched by plan and order.")] = (
        None
    )
    varies: Annotated[
        list[Varies] | None,
        Parameter(
            negative="",
            help="What may differ between the lists; default: anything but the model.",
        ),
    ] = None
    earlier_controls: Annotated[
        Path | None,
        Parameter(help="CSV file of earlier control runs with the columns plan and tokens."),
    ] = None


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Declared:
    """What is declared of the analysis; None where nothing was said."""

    monitored: Annotated[
        int | None,
        Parameter(help="Results were looked at while pairs ran, with at most this many planned."),
    ] = None
    min_pairs: Annotated[
        int | None,
        Parameter(help="Monitoring was not to end before so many pairs, for the sake of success."),
    ] = None
    ni_margin: Annotated[
        float | None,
        Parameter(help="How much lower phase completion may be, as a share; default: 0.10."),
    ] = None
    metric: Annotated[
        list[str] | None,
        Parameter(
            negative="",
            help="A secondary metric declared beforehand; default: all in the table.",
        ),
    ] = None
    primary: Annotated[
        Literal["tokens", "cost"] | None,
        Parameter(help="What the resource axis compares; default: tokens."),
    ] = None
    success_endpoint: Annotated[
        Literal["runs", "phases"] | None,
        Parameter(help="What decides about success; default: phases where they are known."),
    ] = None
    margin_alpha: Annotated[
        float | None,
        Parameter(help="How often 'within the margin' may be false; default: 0.025."),
    ] = None
    seed: Annotated[
        int | None, Parameter(help="Seed of permutations and bootstrap; default: 0.")
    ] = None

    def refuse(self, test: str) -> None:
        """Raise BadInput for anything that was declared when ``test`` was registered."""
        for name, given in asdict(self).items():
            if given is not None:
                raise BadInput(
                    f"{name} was declared when {test} was registered", field=name, hint="drop it"
                )

    def protocol(self) -> AnalysisProtocol:
        """Return the protocol of the analysis. Raises BadInput for what is out of range."""
        from autopack.experiments.shapes.analysis_protocol import LEAST_MARGIN, AnalysisProtocol

        least, most = self.min_pairs, self.monitored
        margin, alpha = self.ni_margin, self.margin_alpha
        check_seed(self.seed or 0)
        for name, wrong, hint in (
            ("monitored", most is not None and most < 1, "give the number of planned pairs"),
            (
                "min_pairs",
                least is not None and not 1 <= least <= (most or 0),
                "give a number up to that of --monitored, which it goes with",
            ),
            (
                "ni_margin",
                margin is not None and not LEAST_MARGIN <= margin < 1,
                f"give a share from {LEAST_MARGIN:g} and below 1, such as 0.10",
            ),
            (
                "margin_alpha",
                alpha is not None and not 0 < alpha <= 0.05,
                "give a share up to 0.05, such as 0.025",
            ),
        ):
            if wrong:
                raise BadInput(f"{name} is out of range", field=name, hint=hint)
        said = {name: value for name, value in asdict(self).items() if value is not None}
        metrics = said.pop("metric", None)
        said |= {"monitored": most is not None, "max_pairs": most}
        said |= {"metrics": None if metrics is None else tuple(metrics)}
        return AnalysisProtocol.model_validate(said)


def check_seed(seed: int) -> None:
    """Raise BadInput for a seed that no generator takes."""
    if seed < 0:
        raise BadInput(f"invalid seed: {seed}", field="seed", hint="use a whole number from 0 on")
