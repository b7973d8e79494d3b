"""Whether it was the provider that ended a build, and whether waiting for it can help.

What the provider answered decides: its HTTP status where that is known. Phrases are the last
resort, and only the builder's own words are read for them, never a sentence of Autopack's.
"""

from __future__ import annotations

import re
from typing import Protocol

from autopack.agents.protocol import BuildStatus, EndedBy
from autopack.model.causes import FailureCause

_TOO_MANY = frozenset({429, 529})
# Of a conflict, a lock or an early request another try may find nothing; the rest of 4xx is said
# of the request itself, and will be said again.
_PASSING = frozenset({408, 409, 423, 425})

# Texts and not compiled: that would be a twentieth of what a run takes to load.
_NO_CREDIT = (
    r"insufficient_quota|credit balance is too low|payment required"
    r"|\binsufficient (?:balance|credits?|funds)\b|\b(?:out of|no|more) credits\b"
)
# Where to pay is also said of a limit that passes, with when it does.
_PAY_HERE = (
    r"\bbilling (?:details|account|settings|plan|to be enabled)|account/billing|\bbilling_\w+limit"
    r"|\bbilling_not_active"
)  # fmt: skip
_PASSES = r"\b(?:re)?try (?:again )?(?:in|at|after)\b|\bresets?\b|\bper (?:min|minute|day)\b"
_TOO_LONG = r"prompt is too long|context_length_exceeded|maximum context length|context window"
_REFUSED = (
    r"\b(?:invalid|incorrect|missing|expired) (?:x-)?(?:api|auth\w*|bearer|access|oauth)[ _-]?"
    r"(?:key|token|credentials?)\b|authentication_error"
    r"|invalid_api_key|permission_error|\bunauthori[sz]ed\b|\bunauthenticated\b|model_not_found"
    r"|\bunknown model\b|invalid_request_error"
    r"|\bmodel\b[^\n]{0,80}\b(?:(?:does|may) not exist|(?:is )?not (?:found|available|supported))\b"
    r"|\bnot (?:logged in|authenticated)\b|\byou (?:must|need to) (?:be logged|log|sign) in\b"
    r"|\bplease (?:run|use) [`'\"]?[\w/ -]{0,20}\blogin\b|\bplease (?:log|sign) in\b"
    r"|\b(?:api key|(?:oauth|access|bearer) token)(?: is| has| was)?(?: been)? "
    r"(?:not valid|not found|invalid|expired|revoked|required|missing|could not be refreshed)\b"
    r"|\bno (?:api key|(?:auth\w* )?credentials) (?:found|provided|available|configured|set)\b"
    r"|_(?:api_key|auth_token)\b[^\n]{0,60}\b(?:not set|missing|required)\b"
    r"|\b(?:must be|please) set\b[^\n]{0,100}_(?:api_key|auth_token)\b"
    r"|\b(?:account|organi[sz]ation) (?:has been|is|was) (?:disabled|suspended|deactivated)\b"
)
_RATE_LIMIT = (
    r"rate.?limit|\boverloaded|too many requests|resource_exhausted|\bquota exceeded\b"
    r"|\bat capacity\b|high demand|resource has been exhausted|throttlingexception"
    r"|\b(?:hit|reached|exceeded|exhausted) your\b[\w -]{0,40}\b(?:limit|quota|capacity)\b"
    r"|\b(?:usage|hour|hourly|daily|weekly|monthly|session) limit (?:reached|exceeded|hit)\b"
    r"|\b(?:requests|tokens) per (?:min|minute|day)\b|\bserver is busy\b"
)
_DOWN = (
    r"internal ?server ?error|service ?unavailable|bad ?gateway|gateway time-?out"
    r"|connection[ _](?:refused|reset|error|aborted|closed|timed out)|(?:could not|unable to|cannot"
    r"|failed to) connect|connect(?:ion)? ?timeout|stream disconnected|\bsocket hang up\b"
    r"|\bfetch failed\b|\b(?:request|operation) timed out\b|(?:peer|other side) closed"
    r"|\bconnection was (?:closed|reset)\b|upstream connect error|no such host"
    r"|could not resolve host"
    r"|\b(?:ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|EPIPE)\b"
    r"|getaddrinfo|name resolution|network is unreachable|no route to host|api_error\b"
)
# A number is a status only where it is called one: "12,504 tokens" is not.
_STATUS = re.compile(
    r"\b(?:http|status(?:[ _]?code)?|error(?:[ _]code)?|api error|code)\b[ :='\"(]{1,4}"
    r"(?P<status>[45]\d\d)(?![\d,.]\d)\b|^(?P<first>[45]\d\d) (?=[A-Za-z{])",
    re.I | re.MULTILINE,
)

_WHAT_TO_DO = {
    400: "read what it says: an option or the model does not suit this provider",
    401: "check the key that the builder uses (--set key_env=NAME names its variable)",
    402: "add credit at the provider",
    403: "check that the key may use this model",
    404: "check the name of the model (--model) and the address (--set base_url=URL)",
    413: "the request is larger than the provider takes: split the phase",
    422: "read what it says: an option or the model does not suit this provider",
}


class Ended(Protocol):
    """What is looked at: a BuildResult, or the note of one."""

    @property
    def status(self) -> BuildStatus: ...
    @property
    def exit_status(self) -> int | None: ...
    @property
    def ended_by(self) -> EndedBy: ...
    @property
    def http_status(self) -> int | None: ...
    @property
    def evidence(self) -> str: ...


def provider_failure(end: Ended, *, calls: int, has_provider: bool) -> FailureCause | None:
    """Return why the provider is to blame for how a build ended; None when it is not.

    ``calls`` is how many model calls the build completed: one of a builder that ``has_provider``
    and that ran out of time without any waited for an answer that never came.
    """
    if end.status is BuildStatus.TIMED_OUT and calls == 0 and has_provider:
        return FailureCause.PROVIDER_ERROR
    if end.ended_by is EndedBy.AUTOPACK:
        return None
    if end.http_status is not None:
        return _by_status(end.http_status, end.evidence, calls)
    if end.status is not BuildStatus.FAILED and not end.exit_status:
        return None
    return _by_words(end.evidence, calls) or (
        FailureCause.PROVIDER_ERROR if end.ended_by is EndedBy.PROVIDER else None
    )


def told_status(end: Ended) -> int | None:
    """Return the HTTP status behind a build's end: reported, else as the builder's words say."""
    if end.http_status is not None or end.ended_by is EndedBy.AUTOPACK:
        return end.http_status
    found = _STATUS.search(end.evidence)
    return int(found["status"] or found["first"]) if found else None


def refusal(words: str, http_status: int | None) -> str:
    """Return one line on what the provider refused and what to do about it."""
    if _is_out_of_credit(words):
        todo = _WHAT_TO_DO[402]
    elif http_status is None:
        todo = "check the key, the model and the address of the provider"
    else:
        todo = _WHAT_TO_DO.get(http_status, _WHAT_TO_DO[400])
    which = f" (HTTP {http_status})" if http_status else ""
    said = " ".join(words.split())[:300]
    return f"the provider refused the request{which}: {said}; {todo}"


def _by_status(status: int, words: str, calls: int) -> FailureCause | None:
    if status in _TOO_MANY:
        refused = status == 429 and _is_out_of_credit(words)
        return FailureCause.PROVIDER_REFUSED if refused else FailureCause.RATE_LIMIT
    if status >= 500 or status in _PASSING:
        return FailureCause.PROVIDER_ERROR
    if status < 400:
        return None
    return _refused(words, calls)


def _by_words(words: str, calls: int) -> FailureCause | None:
    found = _STATUS.search(words)
    if found:
        return _by_status(int(found["status"] or found["first"]), words, calls)
    no_credit = _is_out_of_credit(words)
    if _says(_RATE_LIMIT, words) and not no_credit:
        return FailureCause.RATE_LIMIT
    if no_credit or _says(_REFUSED, words) or _says(_TOO_LONG, words):
        return _refused(words, calls)
    return FailureCause.PROVIDER_ERROR if _says(_DOWN, words) else None


def _says(pattern: str, words: str) -> bool:
    return re.search(pattern, words, re.I) is not None


def _is_out_of_credit(words: str) -> bool:
    """Return whether somebody has to pay before it answers again: time lifts no such limit."""
    if _says(_NO_CREDIT, words):
        return True
    return _says(_PAY_HERE, words) and not _says(_PASSES, words)


def _refused(words: str, calls: int) -> FailureCause | None:
    """A conversation that grew too long is the build's own end, not the provider's refusal."""
    if calls and _says(_TOO_LONG, words):
        return None
    return FailureCause.PROVIDER_REFUSED
