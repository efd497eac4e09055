"""The command line in processes that can be killed, for the scripts of two tests.

They are forked from one that has imported everything and computed nothing: an import takes seconds.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from spectrolite.cli import app


def begin(words: list[str]) -> int:
    """Type a command in a process of its own, which prints nothing; its number."""
    child = os.fork()
    if child:
        return child
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["spectrolite", *words]
    try:
        app.main()
    except SystemExit as stop:
        os._exit(int(stop.code or 0))
    os._exit(99)


def waited(child: int) -> tuple[int, float]:
    """Its exit code, or less than 0 the signal that ended it, and the seconds it computed."""
    _, status, usage = os.wait4(child, 0)
    return os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime


def computed_s(child: int) -> float:
    """Seconds it has computed, not those on the wall, which others share; 1e9 once it has ended."""
    fields = Path(f"/proc/{child}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    return 1e9 if fields[0] == "Z" else ticks / os.sysconf("SC_CLK_TCK")
