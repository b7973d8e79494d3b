"""Where a repository is: a folder of this machine, or a URL."""

from __future__ import annotations

import re
from pathlib import Path


def is_url(location: str) -> bool:
    """Return whether git would take ``location`` for a URL."""
    # host:path is a URL unless such a file exists; one letter before the colon is a drive.
    if "://" in location:
        return True
    return re.match(r"[^/\\:]{2,}:[^\\]", location) is not None and not Path(location).exists()
