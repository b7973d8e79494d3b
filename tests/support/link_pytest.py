"""`python link_pytest.py FOLDER`: an environment gets the pytest that is installed in FOLDER.

The setup of a plan whose checks run pytest and that shows nothing of installing it, which takes
pip some seconds.
"""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

NAMES = ("pytest", "_pytest", "py.py", "pluggy", "iniconfig", "packaging", "pygments")

if __name__ == "__main__":
    here = Path(sysconfig.get_path("purelib"))
    for name in NAMES:
        for found in Path(sys.argv[1]).glob(f"{name}*"):
            if found.name == name or found.name.startswith(f"{name}-"):
                (here / found.name).symlink_to(found)
