"""Signed tokens: RS256, by keys that all processes of a database share and that can be rotated.

The private key is stored encrypted by the secret of the home, so a copy of the database signs
nothing. AUTOPACK_API_SIGNING_KEY (a PEM) replaces the stored ones where keys come from a vault.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from autopack.access.secret import ApiSecret
from autopack.model.errors import BadInput, Refused
from autopack.settings import API_SECRET, API_SIGNING_KEY
from autopack.store.database.engine import Database, now
from autopack.store.tables import api_accounts, api_signing_keys

if TYPE_CHECKING:
    from joserfc.jwk import RSAKey

AUDIENCE = "autopack-api"
LIFETIME = timedelta(minutes=60)
_ALGORITHM = "RS256"
_TYPE = "access"
_PURPOSE = "signing"
_BITS = 2048
# Clocks of two machines differ.
_LEEWAY = 5


class BadToken(Refused):
    """A token that is not ours, was changed, has expired or is for something else."""

    kind = "bad_token"


@dataclass(frozen=True)
class Claims:
    """What a token that holds says: whose it is, its own name, and until when.

    ``generation`` is the account's when it was issued.
    """

    subject: str
    token_id: str
    expires_at: datetime
    generation: int = 0


class TokenSigner:
    """Issues and checks tokens of one database. Safe to share between threads."""

    def __init__(self, db: Database, secret: ApiSecret, environ: Mapping[str, str]) -> None:
        self._db = db
        self._secret = secret
        self._given = _given_key(API_SIGNING_KEY.of(environ))
        self.issuer = f"autopack:{db.identity}"

    @property
    def source(self) -> str:
        """Where the keys come from: ``environment`` or ``database``."""
        return "database" if self._given is None else "environment"

    def issue(self, subject: str, generation: int | None = None) -> tuple[str, Claims]:
        """Return a token for an account, and what it says.

        ``generation`` is the account's when its password was looked at, by default as it is now.
        """
        from joserfc import jwt

        key = self._signing_key()
        with self._db.read() as conn:
            issued = self._db.now(conn).replace(microsecond=0)
            if generation is None:
                mine = api_accounts.c.name == subject
                found = conn.scalar(sa.select(api_accounts.c.generation).where(mine))
                generation = int(found or 0)
        expires, token_id = issued + LIFETIME, secrets.token_hex(16)
        claims = {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "sub": subject,
            "iat": int(issued.timestamp()),
            "exp": int(expires.timestamp()),
            "jti": token_id,
            "type": _TYPE,
            "gen": generation,
        }
        header = {"alg": _ALGORITHM, "kid": key.kid, "typ": "JWT"}
        text = jwt.encode(header, claims, key, algorithms=[_ALGORITHM])
        return text, Claims(subject, token_id, expires, generation)

    def check(self, token: str) -> Claims:
        """Return what a token says. Raises BadToken, which does not say why it does not hold."""
        from joserfc import jwt
        from joserfc.errors import JoseError

        try:
            found = jwt.decode(token, self._key_set(), algorithms=[_ALGORITHM])
            with self._db.read() as conn:
                at = self._db.now(conn)
            rules = jwt.JWTClaimsRegistry(
                now=int(at.timestamp()),
                leeway=_LEEWAY,
                iss={"essential": True, "value": self.issuer},
                aud={"essential": True, "value": AUDIENCE},
                type={"essential": True, "value": _TYPE},
                exp={"essential": True},
                sub={"essential": True},
                jti={"essential": True},
            )
            rules.validate(found.claims)
            claims = found.claims
            expires = datetime.fromtimestamp(claims["exp"], at.tzinfo)
            generation = int(claims.get("gen", 0))
            return Claims(str(claims["sub"]), str(claims["jti"]), expires, generation)
        except (JoseError, ValueError, TypeError, KeyError, OverflowError) as error:
            raise BadToken(
                "this token is not valid here", field="Authorization", hint="sign in again"
            ) from error

    def public_keys(self) -> dict[str, list[dict[str, Any]]]:
        """Return the JSON Web Key Set: every public key that tokens may still be checked with."""
        return {"keys": [_public(key) for key in self._verifying_keys()]}

    def status(self) -> dict[str, Any]:
        """Return where the keys come from and which there are, without any private part."""
        if self._given is not None:
            return {"source": self.source, "algorithm": _ALGORITHM, "current": self._given.kid}
        self._signing_key()
        with self._db.read() as conn:
            rows = _live_rows(conn)
        return {
            "source": self.source,
            "secret": self._secret.source,
            "algorithm": _ALGORITHM,
            "current": next((row["kid"] for row in rows if row["retired_at"] is None), None),
            "keys": [
                {
                    "kid": row["kid"],
                    "created_at": row["created_at"].isoformat(),
                    "retired_at": row["retired_at"] and row["retired_at"].isoformat(),
                }
                for row in rows
            ],
        }

    def rotate(self) -> str:
        """Sign with a new key from now on, and return its name.

        Tokens that the old one signed hold until they expire. Raises Refused where the key is
        given by the environment.
        """
        if self._given is not None:
            raise Refused(
                f"the signing key is given by {API_SIGNING_KEY.name}",
                field=API_SIGNING_KEY.name,
                hint="change it there; tokens of the old one end at once",
            )
        key = _new_key()

        def write(conn: sa.Connection) -> None:
            at = now(conn)
            conn.execute(
                api_signing_keys.update()
                .where(api_signing_keys.c.retired_at.is_(None))
                .values(retired_at=at, sealed=None)
            )
            self._store(conn, key, at)

        self._db.transact(write)
        return str(key.kid)

    def _signing_key(self) -> RSAKey:
        if self._given is not None:
            return self._given
        with self._db.read() as conn:
            row = _current(conn)
        if row is not None:
            return self._opened(row)
        made = _new_key()

        def write(conn: sa.Connection) -> sa.RowMapping | None:
            row = _current(conn)  # of another process that was quicker
            if row is None:
                self._store(conn, made, now(conn))
            return row

        row = self._db.transact(write)
        return made if row is None else self._opened(row)

    def _verifying_keys(self) -> list[RSAKey]:
        from joserfc.jwk import RSAKey

        if self._given is not None:
            return [self._given]
        with self._db.read() as conn:
            return [RSAKey.import_key(row["public_jwk"]) for row in _live_rows(conn)]

    def _key_set(self) -> Any:
        from joserfc.jwk import KeySet

        return KeySet(list[Any](self._verifying_keys()))

    def _store(self, conn: sa.Connection, key: RSAKey, at: datetime) -> None:
        from cryptography.fernet import Fernet

        sealed = Fernet(self._secret.sealing_key(_PURPOSE)).encrypt(key.as_pem(private=True))
        conn.execute(
            api_signing_keys.insert().values(
                kid=key.kid, public_jwk=_public(key), sealed=sealed.decode(), created_at=at
            )
        )

    def _opened(self, row: sa.RowMapping) -> RSAKey:
        from cryptography.fernet import Fernet, InvalidToken
        from joserfc.jwk import RSAKey

        try:
            pem = Fernet(self._secret.sealing_key(_PURPOSE)).decrypt(row["sealed"].encode())
        except InvalidToken as error:
            raise Refused(
                "the signing key in the database was stored by a home with another secret",
                field=API_SECRET.name,
                hint="give every process the same AUTOPACK_API_SECRET, or make a new key with "
                "`autopack api keys rotate`",
            ) from error
        return RSAKey.import_key(pem, {"kid": row["kid"]})


def _current(conn: sa.Connection) -> sa.RowMapping | None:
    return next((row for row in _live_rows(conn) if row["retired_at"] is None), None)


def _live_rows(conn: sa.Connection) -> list[sa.RowMapping]:
    """Return the keys that sign tokens or still check them, newest first."""
    ended = now(conn) - LIFETIME - timedelta(seconds=_LEEWAY)
    table = api_signing_keys
    query = (
        sa.select(table)
        .where(sa.or_(table.c.retired_at.is_(None), table.c.retired_at > ended))
        .order_by(table.c.created_at.desc(), table.c.kid)
    )
    return list(conn.execute(query).mappings())


def _new_key() -> RSAKey:
    from joserfc.jwk import RSAKey

    return RSAKey.generate_key(_BITS, {"kid": secrets.token_hex(8)})


def _public(key: RSAKey) -> dict[str, Any]:
    return {**key.as_dict(private=False), "kid": key.kid, "use": "sig", "alg": _ALGORITHM}


def _given_key(pem: str | None) -> RSAKey | None:
    if not pem:
        return None
    from joserfc.errors import JoseError
    from joserfc.jwk import RSAKey

    try:
        key = RSAKey.import_key(pem)
        if not key.is_private:
            raise ValueError("public")
        named = RSAKey.import_key(pem, {"kid": key.thumbprint()[:16]})
    except (JoseError, ValueError) as error:
        raise BadInput(
            f"{API_SIGNING_KEY.name} is not the PEM of a private RSA key",
            field=API_SIGNING_KEY.name,
            hint="make one with `openssl genrsa 2048`",
        ) from error
    return named
