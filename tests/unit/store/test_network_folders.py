"""A database file on a file system of other machines is warned of."""

from pathlib import Path

import pytest

from autopack.store import Database
from autopack.store.database import network_folders
from autopack.store.database.network_folders import network_file_system

MOUNTS = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:30 / /home rw - nfs4 server:/home rw
31 30 8:2 / /home/me/local rw - ext4 /dev/sdb1 rw
32 22 0:31 / /mnt/with\040blank rw - cifs //server/share rw
33 22 0:32 / /srv rw master:2 propagate_from:1 - fuse.sshfs host: rw
34 22 8:3 / /over rw - nfs server:/x rw
35 22 8:4 / /over rw - xfs /dev/sdc1 rw
"""


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("/var/lib/autopack.db", None),
        ("/home/me/.autopack/autopack.db", "nfs4"),
        ("/home/me/local/autopack.db", None),  # a disk mounted inside
        ("/mnt/with blank/autopack.db", "cifs"),
        ("/mnt/without/autopack.db", None),
        ("/srv/a/b/c.db", "fuse.sshfs"),
        ("/home2/autopack.db", None),
        ("/over/autopack.db", None),  # what was mounted last is seen
    ],
)
def test_the_innermost_mount_decides(file, kind):
    assert network_file_system(Path(file), MOUNTS) == kind


def test_it_is_said_once_and_the_database_is_usable(tmp_path, monkeypatch, caplog):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"1 0 0:1 / {tmp_path} rw - nfs4 server:/x rw\n")
    monkeypatch.setattr(network_folders, "_MOUNTS", mounts)
    for _ in range(2):
        Database.open(f"sqlite:///{tmp_path}/autopack.db").close()
    [said] = [record.getMessage() for record in caplog.records]
    assert "is on a network file system (nfs4)" in said
    assert "DATABASE_URL" in said
