"""`autopack features`: what a run can turn on, what each does, and its switch."""

from __future__ import annotations

from autopack.model.features import Feature, resolve_features
from autopack.settings import process_environment
from deployments.cli.shared.output import After, AsJson, Limit, out, plain_table, print_json
from deployments.cli.shared.paging import page_of, say_more
from deployments.cli.shared.terminal import styled

_DOES = {
    Feature.PHASE6_METRICS: "counts what auto-fixes, hints and the doctor did in each phase",
    Feature.CONSOLIDATED_METRICS: "tells what was spent apart from what is claimed to be saved",
    Feature.FAILURE_HARDENING: "fixes known failures without a model, before the next attempt",
    Feature.INTENTION_CONTEXT: "tells agents the goal's criteria, and measures drift from it",
    Feature.PLAN_NORMALIZATION: "takes a plan in plain text",
    Feature.CONTEXT_PACK: "shows builders a map of the files that seem to matter to their task",
    Feature.HOLDOUT: "leaves a share of the auto-fixes out, by chance, to measure what they save",
}


def features(*, limit: Limit = 1000, after: After = None, as_json: AsJson = False) -> int:
    """List what a run can turn on.

    What each feature does, and whether this environment decides on it.
    """
    environ = process_environment()
    on = resolve_features(plan=(), enable=(), disable=(), environ=environ)
    forced = resolve_features(plan=(), enable=[*Feature], disable=(), environ=environ)
    rows = [
        {
            "feature": feature.value,
            "does": _DOES[feature],
            "variable": feature.variable,
            "by_default": feature in on,
            "killed": feature not in forced,
        }
        for feature in Feature
    ]
    rows, cursor = page_of(rows, lambda row: str(row["feature"]), limit, after)
    if as_json:
        print_json({"features": rows, "next_cursor": cursor})
        return 0
    table = plain_table("feature", "default", "what it does", wraps=("what it does",))
    for row in rows:
        state = "on" if row["by_default"] else "off"
        shown = styled("off, killed", "red") if row["killed"] else styled(state, "dim")
        table.add_row(str(row["feature"]), shown, str(row["does"]))
    out.print(table)
    say_more(cursor)
    out.print(
        "\nturn one on with --enable FEATURE or in the plan's features;"
        " AUTOPACK_ENABLE_<FEATURE>=false forces it off everywhere"
    )
    return 0
