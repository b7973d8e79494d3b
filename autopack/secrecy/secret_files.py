"""Recognise files that hold secrets by their names: what is in them is shown to nobody."""

from __future__ import annotations

import re
from fnmatch import translate
from typing import Final

_NAMES: Final = (
    ".env", ".env.*", "*.env", ".envrc", ".netrc", "_netrc", ".pgpass", ".my.cnf", ".npmrc",
    ".yarnrc*", ".pypirc", ".git-credentials", ".htpasswd", ".dockercfg", ".vault*", ".s3cfg",
    ".boto", "credentials", "kubeconfig", "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*",
    "*.pem", "*.key", "*.p8", "*.p12", "*.pfx", "*.ppk", "*.jks", "*.keystore", "*.kdbx", "*.gpg",
    "*.pgp", "*.age", "*.ovpn", "*.tfstate", "*.tfstate.*", "*.tfvars", "*.auto.tfvars.json",
    "service-account*.json", "service_account*.json", "client_secret*.json", "master.key",
)  # fmt: skip
_NAMED: Final = re.compile("|".join(map(translate, _NAMES)))
_FOLDERS: Final = frozenset({".ssh", ".aws", ".gnupg", ".kube", ".azure", ".gcloud"})
_STEMS: Final = frozenset({"secret", "secrets", "credential", "credentials", "passwords"})
_DATA: Final = frozenset(
    {"json", "yaml", "yml", "toml", "ini", "cfg", "conf", "txt", "xml", "properties", "csv", "enc"}
)


def is_secret_file(path: str) -> bool:
    """Return whether a file of this path, with slashes, is one that people keep secrets in.

    Sources are none, whatever their names: ``secrets.py`` is code, ``secrets.yaml`` is not.
    """
    *folders, name = path.lower().split("/")
    stem, _, suffix = name.partition(".")
    return (
        not _FOLDERS.isdisjoint(folders)
        or _NAMED.match(name) is not None
        or (stem.strip("._-") in _STEMS and suffix in _DATA)
    )
