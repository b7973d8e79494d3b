"""A reviewer: a second model that looks at a change whose checks pass, and approves it or not."""

from autopack.repair.review.answer import Finding, Judgement, judged
from autopack.repair.review.reviewer import Reply, Reviewer, ReviewFailed, Verdict

__all__ = ["Finding", "Judgement", "Reply", "ReviewFailed", "Reviewer", "Verdict", "judged"]
