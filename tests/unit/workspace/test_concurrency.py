"""Many workspaces of one repository at once, from several processes."""

import json
import subprocess
import sys

WORKER = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from autopack.model.ids import AttemptKey
from autopack.workspace import Mirror, SourceRepository, Workspace

home, location, first = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
source = SourceRepository.open(location)
base = source.resolve(None)

def prepare(number):
    run = f"run-{number}"
    mirror = Mirror.open(home, source)
    mirror.ensure(base, run)
    workspace = Workspace.create(mirror, home / run / "work", base)
    (workspace.path / f"{number}.txt").write_text("x", encoding="utf-8")
    ref = mirror.attempt_ref(AttemptKey(run, "p", 1))
    taken = workspace.snapshot(parent=base, message="x", ref=ref)
    mirror.publish(run, taken.commit)
    return [change.path for change in taken.changes]

with ThreadPoolExecutor(8) as pool:
    print(json.dumps(list(pool.map(prepare, range(first, first + 8)))))
"""


def test_thirty_two_runs_start_at_once(user, tmp_path):
    for number in range(5):
        user.git("tag", f"v{number}")
    before = user.fingerprint()
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(tmp_path / "h"), str(user.path), str(first)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for first in range(0, 32, 8)
    ]
    for number, worker in enumerate(workers):
        output, errors = worker.communicate(timeout=60)
        assert worker.returncode == 0, errors.decode()
        assert json.loads(output) == [[f"{number * 8 + i}.txt"] for i in range(8)]
    assert user.fingerprint() == before
    assert len(user.git("branch", "--list", "autopack/*").splitlines()) == 32
    assert len(list((tmp_path / "h/repositories").iterdir())) == 1
    user.git("fsck", "--connectivity-only")
