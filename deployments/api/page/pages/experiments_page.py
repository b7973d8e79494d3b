"""Experiments: the verdict, its intervals and plots, and which pairs are void and why."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from fastapi import APIRouter
from pydantic import ValidationError
from starlette.responses import Response

from autopack.experiments.listing import list_experiments
from autopack.model.errors import NotFound
from autopack.store.experiment_records import find_test, get_pairs, get_results
from deployments.api.page.rendering import page
from deployments.api.page.visitors import VisitorOf
from deployments.api.service import Service, ServiceOf

router = APIRouter()

MOST_PAIRS = 500
# The plots hold their own styles; as images they run no script and load nothing.
_PLOT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


@router.get("/experiments")
def experiments(visitor: VisitorOf, service: ServiceOf) -> Response:
    """List them, newest first."""
    return page(
        "experiments.html",
        here="experiments",
        visitor=visitor,
        experiments=list_experiments(service.db),
    )


@router.get("/experiments/{test_id}")
def experiment(test_id: str, visitor: VisitorOf, service: ServiceOf) -> Response:
    """Show one: what is concluded, and from what."""
    from autopack.experiments.report.tables import summary_tables

    test, reports = find_test(service.db, test_id), get_results(service.db, test_id)
    if test is None and not reports:
        raise NotFound(f"there is no experiment {test_id!r}", field="test")
    analysis = _analysis(reports[-1]) if reports else None
    pairs = get_pairs(service.db, test_id)
    return page(
        "experiment.html",
        here="experiments",
        visitor=visitor,
        test_id=test_id,
        test=test,
        analysis=analysis,
        tables=[] if analysis is None else summary_tables(analysis),
        plots=[] if analysis is None else _plots(analysis.model_dump_json()),
        pairs=pairs[:MOST_PAIRS],
        hidden=max(len(pairs) - MOST_PAIRS, 0),
        voids=[one for one in pairs if one.is_valid is False],
    )


@router.get("/experiments/{test_id}/{name}.svg")
def plot(test_id: str, name: str, visitor: VisitorOf, service: ServiceOf) -> Response:
    """Answer one plot."""
    found = next((one for one in _plots_of(service, test_id) if one.name == name), None)
    if found is None:
        raise NotFound("there is no such plot", field="name")
    headers = {"Content-Security-Policy": _PLOT_POLICY, "Cache-Control": "private, max-age=300"}
    return Response(found.svg, media_type="image/svg+xml", headers=headers)


def _plots_of(service: Service, test_id: str) -> list[Any]:
    reports = get_results(service.db, test_id)
    analysis = _analysis(reports[-1]) if reports else None
    return [] if analysis is None else _plots(analysis.model_dump_json())


def _analysis(report: dict[str, Any]) -> Any:
    """Return the analysis of a report; None of one that an earlier version wrote otherwise."""
    from autopack.experiments.shapes.analysis_schema import Analysis

    try:
        return Analysis.model_validate(report)
    except ValidationError:
        return None


@lru_cache(maxsize=8)
def _plots(analysis: str) -> list[Any]:
    """Return the plots of an analysis; drawing them takes a second."""
    from autopack.experiments.report.plots import draw_plots
    from autopack.experiments.shapes.analysis_schema import Analysis

    return draw_plots(Analysis.model_validate_json(analysis))
