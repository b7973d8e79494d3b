"""Where a remote is: every way to write its address, with names of the user's own resolved."""

from __future__ import annotations

from pathlib import Path

import pytest

from autopack.workspace.forge_host import place_of

HUB = ("github.com", "owner/name")


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that git and ssh know of this user alone; ssh answers as the real one does."""
    config = tmp_path / "gitconfig"
    config.write_text('[url "https://github.com/"]\n\tinsteadOf = "hub:"\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    ssh = tmp_path / "ssh"
    ssh.write_text(
        '#!/bin/sh\ncase "$2" in\n'
        "  github.com-work|work) echo hostname github.com;;\n"
        "  closed) echo hostname ssh.github.com;;\n"
        "  lab) echo hostname git.example.com;;\n"
        "  git.behind.example) echo hostname 10.0.0.7;;\n"
        "  broken) exit 255;;\n"
        '  *) echo "user git\nhostname $2";;\n'
        "esac\n"
    )
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("https://github.com/owner/name", HUB),
        ("https://github.com/owner/name.git", HUB),
        ("https://github.com/owner/name.git/", HUB),
        ("HTTPS://GitHub.com/owner/name.git", HUB),
        ("https://user:word@github.com/owner/name.git", HUB),
        ("https://github.com:443/owner/name", HUB),
        ("git@github.com:owner/name.git", HUB),
        ("git@github.com:/owner/name.git", HUB),
        ("org-1234@github.com:owner/name.git", HUB),
        ("ssh://git@github.com/owner/name.git", HUB),
        ("ssh://git@github.com:22/owner/name.git", HUB),
        ("git+ssh://git@github.com/owner/name.git", HUB),
        ("git://github.com/owner/name.git", HUB),
        # by the door that firewalls leave open
        ("ssh://git@ssh.github.com:443/owner/name.git", HUB),
        ("ssh://git@altssh.gitlab.com:443/group/sub/name.git", ("gitlab.com", "group/sub/name")),
        # by names of the user's own
        ("git@github.com-work:owner/name.git", HUB),
        ("work:owner/name.git", HUB),
        ("git@closed:owner/name.git", HUB),
        ("git@lab:group/name.git", ("git.example.com", "group/name")),
        ("hub:owner/name", HUB),
        # a name that others know stays, whatever ssh makes of it
        ("git@git.behind.example:group/name.git", ("git.behind.example", "group/name")),
        ("ssh://git@git.example.com:2222/group/name.git", ("git.example.com", "group/name")),
        # no host, or none that others know
        ("git@broken:owner/name.git", None),
        ("git@unknown:owner/name.git", None),
        ("/srv/git/name.git", None),
        ("../name.git", None),
        ("my.folder/name.git", None),
        ("file:///srv/git/name.git", None),
        ("-oProxyCommand=x:owner/name", None),
    ],
)
def test_places(address: str, place: tuple[str, str] | None) -> None:
    assert place_of(address) == place
