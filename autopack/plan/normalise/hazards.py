# ruff: noqa: E501 - expressions
"""Instructions that destroy work or run what nobody has read, which no unattended run follows."""

from __future__ import annotations

import re

_HAZARDS = (
    (
        "deletes files outside the project",
        r"\brm\s+(?:-\w+\s+|--\S+\s+)*(?:/(?:\s|\*|$|[\"'`])|/(?:etc|usr|var|home|root|bin|opt)\b"
        r"|~|[\"']?\$\{?HOME\b|\*(?:\s|$|[\"'`])|[\"']?\$\{?\w+\}?[\"']?/\*"
        r"|\.\.?/?(?:\*|\s|$|[\"'`])|\.\./)"
        r"|\bfind\s+(?:/|~)\S*\s[^\n]{0,120}-delete\b|\b(?:rmdir|del|rd)\s+/s\b|\bformat\s+c:(?=\s*(?:/|$|[\"'`.;]))"
        r"|\bremove-item\b[^\n]{0,120}-recurse",
    ),
    (
        "rewrites published history",
        r"\bgit\s+push\b[^\n`]{0,120}(?:\s--force\b|\s--force-with-lease\b|\s-f\b|\s--mirror\b|\s--delete\b)"
        r"|\bgit\s+push\s+(?:-\S+\s+)*[^\s-]\S*\s+(?:-d\b|[+:]\w)"
        r"|\bforce[- ]?push|\bpush\s+force\b|\bpush(?:es|ed)?\s+(?:\S+\s+){0,4}(?:with|by)\s+force\b"
        r"|\bgit\s+(?:filter-branch|filter-repo)\b|\bbfg\b[^\n]{0,60}\bhistory\b|\bhistory\b[^\n]{0,60}\bbfg\b",
    ),
    (
        "throws work away",
        r"\bgit\s+reset\s+--hard\b|\bgit\s+(?:checkout|restore)\s+(?:--\s+)?\.(?:\s|$|[\"'`])"
        r"|\bgh\s+repo\s+delete\b|\bgit\s+clean\s+-\w*[xX]"
        r"|\bgit\s+branch\s+-D\b|\bgit\s+stash\s+(?:drop|clear)\b"
        r"|\b(?:delete|remove|erase|wipe)\s+(?:all|every|everything|each)\b(?:\s+\w+){0,3}?\s+(?:in|from)"
        r"\s+(?:the\s+)?(?:repo(?:sitory)?|project|home|disk|machine|server)\b"
        r"|\b(?:lösche\w*|entferne\w*)\s+(?:alle[sn]?|das ganze)\s+(?:dateien|repository|projekt|verzeichnis)\w*"
        r"|\b(?:supprime[rz]?|efface[rz]?)\s+(?:tous les|tout le)\s+(?:fichiers|dépôt|projet)"
        r"|\b(?:borra|borrar|elimina|eliminar|elimine)\s+todos?\s+(?:los\s+|el\s+)?(?:archivos|ficheros|repositorio)"
        r"|\b(?:apaga|apagar|exclua|excluir)\s+todos?\s+os\s+(?:arquivos|ficheiros)"
        r"|删除(?:所有|全部|整个)|удали(?:ть|те)?\s+(?:все|весь)\b|(?:すべて|全て|全部)の?ファイルを?削除"
        r"|\bdelete\s+(?:the\s+)?(?:whole\s+|entire\s+)?(?:repo(?:sitory)?|git history|\.git)\b"
        r"|\brm\s+(?:-\w+\s+)*(?:\./)?\.git\b",
    ),
    (
        "runs a script straight from the network",
        r"\b(?:curl|wget|iwr|invoke-webrequest)\b[^\n]{0,120}\|\s*(?:sudo\s+)?"
        r"(?:ba|z|da|k|fi)?sh\b|\b(?:curl|wget)\b[^\n]{0,120}\|\s*(?:sudo\s+)?(?:python\d?|perl|ruby|node)\b"
        r"|\b(?:ba|z)?sh\s+(?:-c\s+)?[\"']?(?:<\(|\$\()\s*(?:curl|wget)\b|\|\s*iex\b"
        r"|\b(?:eval|source|exec|python\d?\s+-c|node\s+-e)\s+[\"']?(?:<\(|\$\(|`)\s*(?:curl|wget)\b"
        r"|(?:^|[\s`])\.\s+<\(\s*(?:curl|wget)\b|\biex\s*\(\s*(?:iwr|irm|invoke-|new-object)"
        r"|\b(?:curl|wget)\b[^\n|]{0,160}(?:&&|;)\s*(?:sudo\s+)?(?:(?:ba|z|da)?sh|source|python\d?)\s+\S",
    ),
    (
        "destroys data",
        r"\b(?:drop|truncate|wipe|erase|purge)\s+(?:the\s+|all\s+)?(?:\w+\s+){0,2}"
        r"(?:database|databases|tables?|schemas?|production|prod)\b"
        r"|\bdelete\s+(?:the\s+|all\s+)?(?:\w+\s+){0,1}(?:production|prod)\b"
        r"|\bdelete\s+from\s+\w+\s*(?:;|$|`)|\btruncate\s+(?:table\s+)?\w+\s*;|\bdeletemany\(\s*\{\s*\}\s*\)"
        r"|\bdb:(?:drop|reset)\b|\bmanage\.py\s+(?:flush|reset_db)\b|\bmigrate:(?:fresh|reset)\b"
        r"|\bmigrate\s+reset\b|\baws\s+s3\s+r[mb]\b|\bgsutil\s+(?:-m\s+)?rm\b"
        r"|\bdocker\s+volume\s+(?:rm|prune)\b|\bcompose\s+down\s+(?:-\S+\s+)*(?:-v\b|--volumes\b)"
        r"|\bhelm\s+(?:uninstall|delete)\b|\bnpm\s+unpublish\b|\bcrontab\s+-r\b"
        r"|\b(?:mkfs(?:\.\w+)?|fdisk|wipefs|shred)\s+/?\S|\bdd\s+[^\n]{0,120}\bof=/dev/"
        r"|\bterraform\s+(?:destroy|apply)\b|\bkubectl\s+delete\b|\bdocker\s+system\s+prune\b"
        r"|\bredis-cli\s+flush(?:all|db)\b|\bdropdb\b",
    ),
    (
        "opens or stops the machine",
        r"\bchmod\s+(?:-R\s+)?(?:777|a\+rwx)\s+[/.~]|\bchown\s+-R\s+\S+\s+/(?:\s|$)"
        r"|:\(\)\s*\{|\b(?:shutdown|reboot|halt|poweroff)\s+(?:-\w+|now)\b|\bkill\s+-9\s+-1\b"
        r"|\bsudo\s+\w",
    ),
    (
        "goes around the project's checks",
        r"\bgit\s+commit\b[^\n`]{0,120}\s--no-verify\b|\b(?:with|using)\s+`?--no-verify\b"
        r"|\b(?:disable|skip|xfail|delete|remove|comment out|mute|ignore)\s+"
        r"(?:(?:all|the|every|any|those|failing|broken|red|flaky)\s+){1,3}(?:unit\s+)?"
        r"(?:tests?|test suite|ci checks?|branch protection)(?![\w/.-]*[/.]\w)\b"
        r"|\b(?:disable|skip|delete|remove|comment out)\s+(?:tests|ci checks?|branch protection)\s*(?:$|[.;,])"
        r"|\bmark\s+(?:(?:all|the|failing|broken|red|flaky)\s+){1,3}tests?\s+(?:as\s+)?(?:skip|xfail|ignored)"
        r"|\b(?:pytest|test|check|vitest|jest)\b[^\n|]{0,60}\|\|\s*(?:true|:)(?:\s|$|[\"'`])",
    ),
    (
        "gives secrets away",
        r"\b(?:print|log|echo|upload|send|post|commit|publish)\s+(?:\S+\s+){0,3}"
        r"(?:api keys?|secrets?|passwords?|credentials?|private keys?|\.env|ssh keys?)\b"
        r"(?!\s+(?:redact\w*|masked|hidden|handling|form|field|reset|page|policy|rotation|manager|store))"
        r"|\b(?:echo|printenv)\s+[\"']?\$?\{?\w*(?:SECRET|TOKEN|PASSWORD|API_KEY)\w*"
        r"|\b(?:cat|cp|scp|curl|upload|print|send)\b[^\n]{0,60}(?:~|\$HOME|/root|/home/\w+)/\.(?:ssh/id_|aws/credentials|netrc|npmrc)"
        r"|\bcurl\b[^\n]{0,80}\s(?:-d|--data\S*|-F|-T)\s+\S*@?\S*\.env\b",
    ),
)
_COMPILED = tuple((what, re.compile(pattern, re.IGNORECASE)) for what, pattern in _HAZARDS)
_LONGEST = 60
_FORBIDDEN = re.compile(
    r"\b(?:never|do not|don'?t|must not|no|without|avoid|instead of|rather than)\b[^.;]*$"
    # what a program is to do about it
    r"|^\W*(?:\d+\W+)?(?:(?:reject|refus|detect|block|prevent|forbid|pars|escap|warn|highlight)\w*"
    r"|\w+ tests? (?:for|of|that)|\w+ support for)\b(?:(?!\b(?:then|and)\b)[^.;])*$",
    re.I,
)


def hazards(text: str) -> list[str]:
    """Return a warning for each line of ``text`` that asks for something destructive."""
    found: dict[str, None] = {}
    for line in text.splitlines():
        for what, pattern in _COMPILED:
            match = pattern.search(line)
            if match and not _FORBIDDEN.search(line, 0, match.start()):
                quoted = " ".join(match[0].strip(" `").split())[:_LONGEST]
                found[f"`{quoted}` {what}; take it out of the plan"] = None
    return list(found)
