"""What the children of a run see of this process's environment."""

import os
import sys
from pathlib import Path

import pytest

from autopack.model.errors import BadInput
from autopack.process.child_environment import bin_folder, child_environment, withheld

KEPT = [
    "HOME",
    "LANG",
    "HTTPS_PROXY",
    "SSL_CERT_FILE",
    "JAVA_HOME",
    "GOPROXY",
    "CARGO_HOME",
    "PIP_INDEX_URL",
    "PIP_CERT",
    # where packages come from
    "UV_CACHE_DIR",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_DEFAULT_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    # how a machine reaches out, and another endpoint of a provider
    "NO_PROXY",
    "NODE_EXTRA_CA_CERTS",
    "REQUESTS_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "ANTHROPIC_BASE_URL",
    # tools
    "LC_ALL",
    "TERM",
    "PKG_CONFIG_PATH",
    "LDFLAGS",
    "RUSTUP_HOME",
    "GOFLAGS",
    "NPM_CONFIG_REGISTRY",
    "npm_config_cache",
    "MAVEN_OPTS",
    "PLAYWRIGHT_BROWSERS_PATH",
    # names that only look like a secret's
    "TOKENIZERS_PARALLELISM",
    "XAUTHORITY",
]

DROPPED = [
    # other environments
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONUSERBASE",
    "PYTHONWARNINGS",
    "UV_PROJECT_ENVIRONMENT",
    "UV_PYTHON",
    "UV_SYSTEM_PYTHON",
    "POETRY_VIRTUALENVS_PATH",
    "PIP_TARGET",
    "PIP_USER",
    "NODE_PATH",
    # settings of whatever runs Autopack
    "PYTEST_ADDOPTS",
    "PYTEST_CURRENT_TEST",
    "COVERAGE_PROCESS_START",
    "COV_CORE_SOURCE",
    "PREFECT_API_URL",
    "AUTOPACK_HOME",
    "DATABASE_URL",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "NODE_ENV",
    # secrets
    "ANTHROPIC_API_KEY",
    "OPENAI_API_KEY",
    "MY_SERVICE_API_KEY",
    "my_service_api_key",
    "APIKEY",
    "GITHUB_TOKEN",
    "TOKEN",
    "HF_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SESSION_TOKEN",
    "CLIENT_SECRET_FILE",
    "PGPASSWORD",
    "DB_PASSWORD",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "SENTRY_DSN",
    "npm_config_//registry.example.com/:_authToken",
    "NPM_TOKEN",
    "UV_INDEX_PRIVATE_PASSWORD",
    "UV_PUBLISH_TOKEN",
    "POETRY_PYPI_TOKEN_PYPI",
    "SSH_AUTH_SOCK",
    "CARGO_REGISTRY_TOKEN",
    "NPM_CONFIG__AUTH",
    "GEM_HOST_API_KEY",
    "GOOGLE_CLOUD_PROJECT",
    # what leads to the user's logins
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_KEY_0",
    "GIT_CONFIG_VALUE_0",
    "GIT_CONFIG_GLOBAL",
    "GIT_ASKPASS",
    "SSH_ASKPASS",
    "KUBECONFIG",
    # on no list
    "MYCORP",
    "DOCKER_HOST",
    "SLACK_WEBHOOK",
    "BUNDLE_GITHUB__COM",
    "COMPOSER_AUTH",
    "NIX_CONFIG",
]

HARMLESS = [
    "http://proxy.example.com:3128",
    "https://pypi.example.com/simple",
    "ssh://git@example.com/x.git",
    "git@example.com:x/y.git",
    "-Xmx2g -Dfile.encoding=UTF-8",
    "/usr/share/secret-santa",
    "2b1c1f0e9d8c7b6a5f4e3d2c1b0a99887766554433",
    "0123456789abcdef0123456789abcdef",
    "http://localhost:4873/@team/x",
    "pwd=/home/me login=me",
    "key-value-store",
    "vcr_cassettes_2024",
    "phx_gen_auth_1_7",
    "dp.st.append_row_2",
    "dapi-v2-endpoint",
    "MyLongModuleNameOfMany2.module.AndItsOtherwiseLongFunctionName",
    "oauth:authorizationcodegrantflowx",
    "MARKETING.v1.0-rc1",
    "https://example.com/docs/hooks",
]
_HEX = "0123456789abcdef" * 2

SECRET = [
    "http://user:pass-word@proxy.example.com:3128",
    "http://user@proxy.example.com:3128",
    "https://ghp_0123456789abcdef@github.com/x/y",
    "https://:pass-word@redis/0",
    "postgresql+psycopg://me:p%40ss-word@host/db",
    "postgresql://host/db?sslpassword=pass-word",
    "https://pypi.example.com/simple?token=0123456789",
    "https://x.blob.core.windows.net/c?sv=2024&sig=abcdefgh%3D",
    "AccountName=x;AccountKey=0123456789abcdef==;",
    "Endpoint=sb://x/;SharedAccessKeyName=n;SharedAccessKey=0123456789abcdef=",
    "Server=h;Database=d;Password=pass-word;",
    "-Djavax.net.ssl.keyStorePassword=pass-word",
    '{"private_key_id": "x", "client_secret": "0123456789"}',
    "Authorization: 0123456789",
    "Bearer 0123456789",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghij",
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbn\n-----END OPENSSH PRIVATE KEY-----",
    "https://hooks.slack.com/services/T000/B000/abcdefgh",
    "https://discord.com/api/webhooks/1/abcdefgh",
    "https://discordapp.com/api/v10/webhooks/1/abcdefgh",
    "https://example.webhook.office.com/webhookb2/abcdefgh",
    "https://chat.googleapis.com/v1/spaces/A/messages",
    "https://prod-1.westeurope.logic.azure.com:443/workflows/abcdefgh",
    "https://example.com/hooks/abcdefgh",
    "ghp_0123456789abcdef0123",
    "github_pat_0123456789abcdef",
    "sk-ant-api03-0123456789abcdef",
    "sk-proj-0123456789abcdef",
    "xoxb-0123456789-abcdef",
    "AKIAIOSFODNN7EXAMPLE",
    "AIzaSyA0123456789abcdefghijklmnopqrstuv",
    "glpat-0123456789abcdef",
    "npm_0123456789abcdef",
    "pypi-AgEIcHlwaS5vcmc0123456789",
    "hf_0123456789abcdef",
    "SG.0123456789.abcdefghij",
    f"SK{_HEX}",
    f"key-{_HEX}",
    f"{_HEX}-us12",
    f"dapi{_HEX}",
    f"pul-{_HEX}",
    f"pat0123456789abcd.{_HEX}{_HEX}",
    f"0123456789abcd.atlasv1.{_HEX}",
    f"v1.0-{_HEX[:24]}-{_HEX}",
    "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsawX",
    "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs",
    "dp.pt.0123456789abcdef",
    "dckr_oat_0123456789abcdef",
    "dt0c01.ST2EY72KQINMH574.G3DFPBEJYMODIDAEX454",
    "sb_secret_0123456789abcdef",
    "pscale_pw_0123456789abcdef",
    "GOCSPX-0123456789abcdef",
    "1//0gabcdefghij0123456789",
    "ATCTT3xFfGN0123456789",
    "ntn_0123456789abcdef",
    "sk.eyJ1IjoiZm9vIn0.0123456789abcdef",
    "https://events.pagerduty.com/integration/0123456789/enqueue",
    "https://open.feishu.cn/open-apis/bot/v2/hook/0123456789",
    "https://n8n.example.com/webhook-test/0123456789",
    "Driver=x;Server=h;Uid=sa;Pwd=pass-word;",
    "machine example.com login me password pass-word",
    "Cookie: session=0123456789",
    "//registry.example.com/:_auth=bWU6cGFzcy13b3Jk",
    "client-key-data: LS0tLS1CRUdJTiBSU0E",
    "X-Auth-Key: 0123456789",
    "SharedAccessSignature=sv=2024&sig=abcdefgh%3D",
    "postgres://me:pa/ss-word@host/db",
    "postgres://me:pa#ss-word@host/db",
]


@pytest.mark.parametrize("name", KEPT)
def test_is_kept(name: str) -> None:
    assert child_environment({name: "value", "PATH": ""})[name] == "value"


@pytest.mark.parametrize("name", DROPPED)
def test_is_dropped(name: str) -> None:
    assert name not in child_environment({name: "value", "PATH": ""})


@pytest.mark.parametrize("value", HARMLESS)
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "MYAPP_SETTING"])
def test_a_value_that_is_no_secret_is_kept(name: str, value: str) -> None:
    environ = {name: value, "AUTOPACK_PASS_ENV": "MYAPP_*"}
    assert child_environment(environ)[name] == value


@pytest.mark.parametrize("value", SECRET)
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "JAVA_TOOL_OPTIONS", "MYAPP_SETTING"])
def test_a_value_that_looks_like_a_secret_is_dropped(name: str, value: str) -> None:
    environ = {name: value, "AUTOPACK_PASS_ENV": "MYAPP_*"}
    assert name not in child_environment(environ)
    assert withheld(environ) == [name]


def test_variables_are_passed_on_purpose() -> None:
    environ = {"AUTHOR": "a", "MY_KEYBOARD": "b", "MY_MODE": "c", "OTHER": "d"}

    child = child_environment(environ | {"AUTOPACK_PASS_ENV": "AUTHOR, MY_* PREFECT_API_URL"})

    assert {name for name in environ if name in child} == {"AUTHOR", "MY_KEYBOARD", "MY_MODE"}
    assert "AUTOPACK_PASS_ENV" not in child


@pytest.mark.parametrize("name", ["MYAPP_API_KEY", "MYAPP_TOKEN", "myappPassword", "MYAPP_PW"])
def test_a_secret_is_not_passed_on_purpose_either(name: str) -> None:
    environ = {name: "value", "AUTOPACK_PASS_ENV": name}
    assert name not in child_environment(environ)
    assert withheld(environ) == [name]


@pytest.mark.parametrize("listed", ["A=b", "--x", "A;B", "*A", "ghp_abc-def"])
def test_a_list_that_names_no_variable_is_refused_and_not_repeated(listed: str) -> None:
    with pytest.raises(BadInput, match="AUTOPACK_PASS_ENV") as refused:
        child_environment({"AUTOPACK_PASS_ENV": listed})
    assert listed not in str(refused.value)


def test_index_credentials_are_for_installing_only() -> None:
    environ = {"UV_INDEX_PRIVATE_PASSWORD": "x", "NPM_TOKEN": "y", "ANTHROPIC_API_KEY": "z"}
    login = "https://me:pass-word@pypi.example.com/simple"
    assert "PIP_INDEX_URL" not in child_environment({"PIP_INDEX_URL": login})
    assert child_environment({"PIP_INDEX_URL": login}, installing=True)["PIP_INDEX_URL"] == login

    installing = child_environment(environ, installing=True)

    assert "UV_INDEX_PRIVATE_PASSWORD" in installing
    assert "NPM_TOKEN" in installing
    assert "ANTHROPIC_API_KEY" not in installing


def test_the_environment_of_the_run_comes_first_on_path(tmp_path: Path) -> None:
    tools = str(tmp_path / "tools")

    child = child_environment({"PATH": tools, "VIRTUAL_ENV": "/elsewhere"}, venv=tmp_path / "own")

    assert child["PATH"] == os.pathsep.join([str(bin_folder(tmp_path / "own")), tools])
    assert child["VIRTUAL_ENV"] == str(tmp_path / "own")


def test_the_bin_folders_of_autopack_and_of_an_activated_environment_are_not_on_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "autopack"))
    own, users = bin_folder(tmp_path / "autopack"), bin_folder(tmp_path / "users")
    path = os.pathsep.join([str(own), str(users), str(tmp_path)])

    child = child_environment({"PATH": path, "VIRTUAL_ENV": str(tmp_path / "users")})

    assert child["PATH"] == str(tmp_path)
    assert "VIRTUAL_ENV" not in child


def test_the_machines_own_python_stays_on_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path))

    assert child_environment({"PATH": str(bin_folder(tmp_path))})["PATH"] == str(
        bin_folder(tmp_path)
    )


def test_relative_entries_of_path_would_mean_the_worktree(tmp_path: Path) -> None:
    path = os.pathsep.join([".", "", "bin", str(tmp_path)])

    assert child_environment({"PATH": path})["PATH"] == str(tmp_path)


def test_children_are_unattended_and_leave_no_bytecode() -> None:
    child = child_environment({"PATH": "", "CI": "maybe"})

    assert child["CI"] == child["PYTHONDONTWRITEBYTECODE"] == child["PYTHONUNBUFFERED"] == "1"
