"""One call as the usage ledger keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from autopack.store.tables import Category, DoctorModel, Role, Source, Told


@dataclass(frozen=True, kw_only=True)
class UsageEvent:
    """What one model call used.

    ``total_tokens`` is always known. The four parts are known together or not at all, and then
    sum to it: ``input_tokens`` excludes cached ones, ``reasoning_tokens`` are part of the output.
    ``cache_write_1h_tokens`` are a part of the cache writes. ``cost`` is in US dollars, kept to 12
    decimals; None when the model has no known price. ``exactness`` says whether the figures are
    all of it; ``simulated`` marks calls of recordings and simulations, for which nobody was paid.
    ``created_at`` is the time of the call, that of the recording when None.
    """

    event_key: str
    run_id: str
    phase_id: str
    attempt: int
    provider: str
    model: str
    role: Role
    category: Category
    total_tokens: int
    input_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    source: Source = "provider"
    cost: Decimal | None = None
    price_version: str | None = None
    is_doctor_call: bool = False
    doctor_model: DoctorModel | None = None
    doctor_action: str | None = None
    response_id: str | None = None
    created_at: datetime | None = None
    cache_write_1h_tokens: int | None = None
    exactness: Told = "exact"
    simulated: bool = False
