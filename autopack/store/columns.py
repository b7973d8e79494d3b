"""What columns are made of: the types, the words that some may hold, and how keys are named."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal, get_args

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from autopack.model.states import AttemptState, PhaseState, RunState

Role = Literal["builder", "doctor", "reviewer", "research"]
Category = Literal["base", "retrieval", "second_opinion", "evidence_request"]
Source = Literal["provider", "estimated", "partial"]
DoctorModel = Literal["cheap", "strong"]
Told = Literal["exact", "partial", "unknown"]

ROLES: tuple[Role, ...] = get_args(Role)
CATEGORIES: tuple[Category, ...] = get_args(Category)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time, kept and returned in UTC on either engine."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class ExactDecimal(TypeDecorator[Decimal]):
    """Money without rounding: NUMERIC, but text on SQLite, whose numbers are floats."""

    impl = sa.Numeric
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(sa.Text() if dialect.name == "sqlite" else sa.Numeric())

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Decimal | str | None:
        if value is None or dialect.name != "sqlite":
            return value
        return format(value, "f")

    def process_result_value(self, value: Decimal | str | None, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value)


class FreeText(TypeDecorator[str]):
    """Text that came from programs: NUL and lone surrogates, which engines refuse, are replaced."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else storable(value)


def storable(text: str) -> str:
    """Return the text with every NUL and every lone surrogate replaced."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


# Plain JSON, not JSONB: JSONB refuses the NUL and lone surrogates that file names may hold.
# Nothing depends on the order of keys.
Json = sa.JSON(none_as_null=True)


def state_column_type(enum: type[RunState] | type[PhaseState] | type[AttemptState]) -> sa.Enum:
    return sa.Enum(enum, name="state", native_enum=False, create_constraint=True, length=40)


def one_of(column: str, values: tuple[str, ...]) -> sa.CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=column)


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
