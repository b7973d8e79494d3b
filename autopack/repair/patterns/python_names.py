"""Which distribution an import comes from, where the answer is certain."""

from __future__ import annotations

import re

_DIFFERENT = """
attr attrs · bs4 beautifulsoup4 · Crypto pycryptodome · cv2 opencv-python · dateutil
python-dateutil · discord discord.py · docx python-docx · dotenv python-dotenv · faiss faiss-cpu ·
fitz PyMuPDF · git GitPython · google.protobuf protobuf · grpc grpcio · jose python-jose · jwt PyJWT
· ldap python-ldap · magic python-magic · MySQLdb mysqlclient · OpenSSL pyOpenSSL · PIL Pillow ·
pkg_resources setuptools · pptx python-pptx · psycopg2 psycopg2-binary · pytest_asyncio
pytest-asyncio · pytest_benchmark pytest-benchmark · pytest_cov pytest-cov · pytest_django
pytest-django · pytest_mock pytest-mock · rest_framework djangorestframework · ruamel.yaml
ruamel.yaml · serial pyserial · skimage scikit-image · sklearn scikit-learn · slugify python-slugify
· telegram python-telegram-bot · toml toml · usb pyusb · websocket websocket-client · win32api
pywin32 · xdist pytest-xdist · yaml PyYAML · zmq pyzmq
"""

_SAME = """
aiohttp alembic anyio arrow babel black blinker boto3 botocore cachetools celery certifi click
coverage cryptography dask django docutils fastapi flask freezegun gunicorn httpx humanize
hypothesis inflection isort itsdangerous jinja2 jsonschema lxml markdown markupsafe matplotlib
mypy networkx nox numpy openpyxl orjson packaging pandas paramiko pendulum pillow pluggy polars
pre_commit prettytable psutil psycopg pyarrow pydantic pygments pymongo pytest pytz redis requests
responses rich scipy seaborn setuptools simplejson six sqlalchemy starlette stripe structlog sympy
tabulate tenacity tomli tomli_w tomlkit toolz torch tornado tox tqdm transformers typer
typing_extensions ujson urllib3 uvicorn uvloop websockets werkzeug xlrd xmltodict
"""

NAMESPACES = frozenset(
    {"azure", "backports", "google", "jaraco", "ruamel", "sphinxcontrib", "zope"}
)
"""Packages that several distributions share: a part of one may be missing while it exists."""

_PAIRS = [entry.split() for entry in _DIFFERENT.split("·")]
_DISTRIBUTIONS: dict[str, str] = {
    **{name: name.replace("_", "-") for name in _SAME.split()},
    **{pair[0]: pair[1] for pair in _PAIRS},
}


def certain_distribution(module: str) -> str | None:
    """Return the distribution that provides ``module``; None unless there is no doubt about it."""
    parts = module.split(".")
    for end in range(len(parts), 0, -1):
        found = _DISTRIBUTIONS.get(".".join(parts[:end]))
        if found is not None:
            return found
    return None


def normalised(distribution: str) -> str:
    """Return a distribution's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", distribution).lower()
