"""One call as the usage ledger keeps it: each column of the ledger, declared once.

The table, the sums beside it and what archiving keeps of them, `autopack import`, the JSON of
`autopack tokens` and the reference derive from these fields.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, get_args

import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from autopack.store.columns import (
    CATEGORIES,
    ROLES,
    Category,
    DoctorModel,
    ExactDecimal,
    Role,
    Source,
    Told,
    UtcDateTime,
)


@dataclass(frozen=True)
class LedgerColumn:
    """A column: its type, what it means, and whether the sums beside the ledger add it up.

    ``words`` are all it may hold, ``default`` what rows have that were there before it. A column
    that is not ``imported`` is not read from files; one that is ``part_of`` another is not shown
    beside it.
    """

    type: TypeEngine[Any]
    meaning: str
    nullable: bool = True
    summed: bool = False
    words: Sequence[str] = ()
    default: Any = None
    imported: bool = True
    part_of: str = ""
    name: str = ""


def column(type_: TypeEngine[Any], meaning: str, *, unset: Any = MISSING, **more: Any) -> Any:
    """Declare a field of `UsageEvent`; without ``unset`` each call has to say it."""
    more = {"nullable": unset is None} | more
    return field(default=unset, metadata={"column": LedgerColumn(type_, meaning, **more)})


@dataclass(frozen=True, kw_only=True)
class UsageEvent:
    """What one model call used.

    ``total_tokens`` is always known. The four parts are known together or not at all, and then
    sum to it. ``created_at`` is the time of the call, that of the recording when None.
    """

    event_key: str = column(sa.String(64), "what tells the call from all others")
    run_id: str = column(sa.String(64), "the run")
    phase_id: str = column(sa.String(64), "its phase")
    attempt: int = column(sa.Integer(), "its attempt")
    provider: str = column(sa.Text(), "who answered")
    model: str = column(sa.Text(), "the model that answered")
    role: Role = column(sa.String(16), "who asked", words=ROLES)
    category: Category = column(sa.String(24), "what for", words=CATEGORIES)
    total_tokens: int = column(sa.BigInteger(), "all tokens", summed=True)
    input_tokens: int | None = column(
        sa.BigInteger(), "tokens of the prompt without cached ones", unset=None, summed=True
    )
    cache_read_tokens: int | None = column(
        sa.BigInteger(), "tokens read from the provider's cache", unset=None, summed=True
    )
    cache_write_tokens: int | None = column(
        sa.BigInteger(), "tokens written to the provider's cache", unset=None, summed=True
    )
    output_tokens: int | None = column(
        sa.BigInteger(), "tokens of the answer, reasoning included", unset=None, summed=True
    )
    reasoning_tokens: int | None = column(
        sa.BigInteger(),
        "the part of the output that was reasoning",
        unset=None,
        summed=True,
        part_of="output_tokens",
    )
    source: Source = column(
        sa.String(16), "who counted", unset="provider", nullable=False, words=get_args(Source)
    )
    cost: Decimal | None = column(
        ExactDecimal(), "US dollars to 12 decimals; null without a known price", unset=None
    )
    price_version: str | None = column(sa.Text(), "the list that the price is from", unset=None)
    is_doctor_call: bool = column(sa.Boolean(), "whether a doctor was asked", unset=False)
    doctor_model: DoctorModel | None = column(
        sa.String(16), "the doctor's tier", unset=None, words=get_args(DoctorModel)
    )
    doctor_action: str | None = column(sa.Text(), "what the doctor ordered", unset=None)
    response_id: str | None = column(sa.Text(), "the provider's name of the answer", unset=None)
    created_at: datetime | None = column(
        UtcDateTime(), "when the call was made, in UTC", unset=None, nullable=False
    )
    cache_write_1h_tokens: int | None = column(
        sa.BigInteger(),
        "the part of the cache writes that is kept for an hour, with a price of its own",
        unset=None,
        imported=False,
        part_of="cache_write_tokens",
    )
    exactness: Told = column(
        sa.String(16),
        "whether the figures are all of it",
        unset="exact",
        nullable=False,
        default="exact",
        imported=False,
    )
    simulated: bool = column(
        sa.Boolean(),
        "whether it is of a recording or a simulation, for which nobody was paid",
        unset=False,
        default=sa.false(),
        imported=False,
    )


def _declared() -> tuple[LedgerColumn, ...]:
    return tuple(replace(one.metadata["column"], name=one.name) for one in fields(UsageEvent))


LEDGER_COLUMNS = _declared()
"""Every column of the ledger, in order."""

SUMMED = tuple(each.name for each in LEDGER_COLUMNS if each.summed)
"""Those that the tables of sums add up."""

_SPLIT = ("total_tokens", "input_tokens", "cache_read_tokens", "cache_write_tokens")
FURTHER = tuple(
    each.name
    for each in LEDGER_COLUMNS
    if each.summed and not each.part_of and each.name not in (*_SPLIT, "output_tokens")
)
"""Summed ones beside the total and its four parts."""
