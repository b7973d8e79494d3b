"""The words of a report for a reader without statistics, each by its purpose."""

from __future__ import annotations

from autopack.experiments.shapes.analysis_schema import Analysis

_ALWAYS = (
    (
        "ratio",
        "Treatment divided by control. A ratio of 0.8 with an interval of 0.7 to 0.9 means: the "
        "treatment typically needs 20% less, and anything from 10% to 30% less fits what was seen.",
    ),
    (
        "95% interval",
        "The values that fit what was seen. Of a hundred such intervals about five miss the truth.",
    ),
    (
        "per plan",
        "The typical plan: each counts the same, however large it is (the geometric mean). All "
        "plans in all can say otherwise, because a few large ones weigh most.",
    ),
    (
        "points",
        "Percentage points of success: from 80% to 70% of runs is 10 points fewer.",
    ),
    (
        "margin",
        "The loss of success that was declared beforehand to be too small to matter.",
    ),
    (
        "discordant pair",
        "A pair in which one arm alone succeeded. Only these tell the arms apart in success.",
    ),
    ("Tango's interval", "Bounds the difference in success of paired runs, also with few of them."),
    (
        "McNemar's mid-p",
        "How often discordant pairs as one-sided as these would come about if the arms succeeded "
        "equally often.",
    ),
    (
        "sign-flip p",
        "How often mere exchange of the arms within pairs would give a ratio as far from 1.",
    ),
    (
        "corrected for skewness",
        "Where a few plans differ far more to one side than the others, an interval has to reach "
        "further to that side.",
    ),
    (
        "BCa bootstrap",
        "Draws plans again and again from those that were run, to see how far a total could vary.",
    ),
    (
        "cost per success",
        "What all runs of an arm used, the failed ones too, for each run that succeeded.",
    ),
)
_MONITORED = (
    (
        "e-value",
        "Evidence that may be looked at after every pair: without an effect it reaches 33 in at "
        "most 3 of 100 experiments, however often it is looked at.",
    ),
    (
        "confidence sequence",
        "An interval that holds at every look at once, so that an experiment may stop at any.",
    ),
)


def glossary(analysis: Analysis) -> tuple[tuple[str, str], ...]:
    """Each term of the report with what it is for."""
    return (*_ALWAYS, *_MONITORED) if analysis.monitored else _ALWAYS
