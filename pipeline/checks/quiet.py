"""Log lines among the output of tests: "this usually indicates some error" (Qusto's elixir.yml)."""

import re

from pipeline.checks.readers import plain

# Logger's default: time, level. ExUnit's dots may stand before it, in the same line. The real
# workflow only sees lines with such dots, and leaves out those of libcluster, as we do.
_LINE = re.compile(
    r"^[.*]*(\d{2}:\d{2}:\d{2}\.\d{3} (?:[^\[\n]{0,200})?\[(?:debug|info|notice|warn|warning|error|"
    r"critical|alert|emergency)\][^\n]*)",
    re.MULTILINE,
)


def log_lines(output: str) -> list[str]:
    """Return the lines that Logger printed, without the dots before them.

    What capture_log caught is indented in the report of a failed test, and does not count.
    """
    return [line for line in _LINE.findall(plain(output)) if "libcluster" not in line]
