"""What coding agents say they spent: one parser per output format, all with one result.

``parse("codex", path)`` reads a file, or several, of one agent's output into a ``Usage``. Parsers
read line by line in constant memory, skip what is not theirs (other output, a line cut off by a
kill) and never raise on content.
"""

from autopack.builders.usage.formats import FORMATS, TOLD_AT_THE_END, parse
from autopack.builders.usage.reading import Sums, Usage, UsageParser

__all__ = ["FORMATS", "TOLD_AT_THE_END", "Sums", "Usage", "UsageParser", "parse"]
