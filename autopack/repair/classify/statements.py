"""Phrases by which Autopack, git, model providers and machines say what went wrong.

Ordered: the first cause one of whose phrases is there decides. All are in lower case, to be found
in ``lowered`` text. ENVIRONMENT ends a run, so it needs a phrase that only a broken machine
utters; a service that does not answer is a PROVIDER_ERROR.
"""

from __future__ import annotations

from autopack.model.causes import FailureCause
from autopack.repair.classify.phrases import Phrases

_OUTSIDE = (
    r"\boutside (?:the )?(?:governed scope|phase(?:'s)? scope|scope\.paths|allowed[ _]roots)\b"
)
_SHELL = r"^[^\s:]{0,100}sh: (?:(?:line )?\d{1,6}: )?[^\s:]{1,200}: (?:command )?not found$"

STATEMENTS = (
    (
        FailureCause.OUT_OF_SCOPE,
        Phrases(
            {
                "patch rejected - ": None,
                "protected path": r"\bprotected paths? (?:violations?|in scope)\b",
                "outside ": _OUTSIDE,
                "not in governed scope": None,
                "scope validation failed": None,
            }
        ),
    ),
    (
        FailureCause.DELIVERABLE_MISSING,
        Phrases(
            {
                "deliverable": r"\bdeliverables? (?:validation|manifest gate) failed\b"
                r"|\bmissing \d{1,5} required deliverables?\b",
                "builder created files in wrong locations": None,
            }
        ),
    ),
    (
        FailureCause.EMPTY_CHANGE,
        Phrases(
            {
                "empty_patch": None,
                "_no_operations": None,
                "produced no ": r"\bproduced no (?:changes|valid operations)\b",
                "no valid patches in input": None,
            }
        ),
    ),
    (
        FailureCause.PATCH_CONFLICT,
        Phrases(
            {
                "error: patch ": r"\berror: patch (?:failed|fragment)\b",
                "patch does not apply": None,
                "corrupt patch at": None,
                "can't open patch": None,
                "patch validation failed": None,
                "patch check failed": None,
                " index": r": does not (?:exist in|match) index$",
                "repository lacks the necessary blob": None,
                "failed to apply patch": None,
                "git_apply_failed": None,
                "git apply corrupted": None,
                "patch application": r"\bexception during patch application\b"
                r"|\bpatch application$",
                "direct ": r"\bdirect (?:file )?write (?:also )?(?:failed|corrupted)\b",
                "unsafe patch": None,
                "patch modifies existing files": None,
                "patch_failed": None,
                "conflict (": r"^conflict \(",
                "automatic merge failed": None,
                "merge conflict": None,
            }
        ),
    ),
    (
        FailureCause.ENVIRONMENT,
        Phrases(
            {
                "api_key client option must be set": None,
                "api": r"\b(?:invalid|incorrect) (?:x-)?api[ -]key\b",
                "authentication_error": None,
                "no space left on device": None,
                "enospc": r"\benospc\b",
                "cannot allocate memory": None,
                "memoryerror": r"^memoryerror\b",
                "out of memory": None,
                "externally-managed-environment": None,
                "not found": _SHELL + r"|\brun '[^'\n]{1,100}' not found$|\brun not found in api\b",
                "is not recognized as an internal or external command": None,
                "read-only file system": None,
                "error acquiring lock": None,
                "another executor is already running": None,
                "infrastructure initialization": None,
            }
        ),
    ),
    (
        FailureCause.RATE_LIMIT,
        Phrases(
            {
                "ratelimiterror": r"\bratelimiterror\b",
                "rate_limit_": r"\brate_limit_(?:error|exceeded)\b",
                "429": r"\b(?:error code|status|status code|http)[ :=]{1,3}429\b"
                r"|\b429 too many requests\b",
                "rate limit ": r"\brate limit (?:reached|exceeded)\b",
                "insufficient_quota": None,
                "overloaded_error": None,
            }
        ),
    ),
    (
        FailureCause.PROVIDER_ERROR,
        Phrases(
            {
                "openai": r"\bopenai\.\w{1,60}(?:error|exception)\b|\bopenaierror\b",
                "anthropic.": r"\banthropic\.\w{1,60}(?:error|exception)\b",
                "error code: ": r"\berror code: [45]\d\d\b",
                "prompt is too long: ": None,
                "context_length_exceeded": None,
                "streaming is required for operations": None,
                "llm call failed": None,
                "request timed out or interrupted": None,
                "peer closed connection without sending complete": None,
                " error: ": r"\b[45]\d\d (?:client|server) error: .{1,60} for url\b",
                "during execute_phase: connection error": None,
                "api error classified as transient": None,
                "retries exhausted for transient error": None,
                "in category '": r"\berror '\w{1,60}' in category '(?:network|file_io)'",
                "connection ": r"\bconnection (?:refused|aborted|reset)\b",
                "actively refused": None,
                "econnrefused": r"\beconnrefused\b",
                "getaddrinfo failed": None,
                "name resolution": None,
                "enotfound": r"\benotfound\b",
                "eai_again": None,
                "server closed the connection unexpectedly": None,
            }
        ),
    ),
    (
        FailureCause.TIMEOUT,
        Phrases(
            {
                "timed out": r"\btimed out\b",
                "etimedout": r"\betimedout\b",
                "deadline exceeded": None,
                "timeout": r"^timeout >[\d.]{1,12}s$|timeout: ?$",
            }
        ),
    ),
    (FailureCause.PROVIDER_ERROR, Phrases({"fetch run status from api": None})),
    (
        FailureCause.BUILDER_ERROR,
        Phrases(
            {
                "llm output invalid format": None,
                "[ndjson:parse]": None,
                "churn_limit_exceeded": None,
                "error parsing structured edit output": None,
                "failed to parse full-file output": None,
                "builder failed": None,
                "builder execution failed": None,
            }
        ),
    ),
)
