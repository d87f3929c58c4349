"""Runs a module as a program, and writes what the process took: `python -m benchmarks.counted MODULE`.

The figures go to the file in the environment's BENCH_REPORT: requests by the port of their server, as httpx logs them,
and the peak of the memory. (The kernel's own count of a child's memory begins with its parent's.)
"""

import atexit
import json
import logging
import os
import runpy
import sys
from collections import Counter
from pathlib import Path

_requests: Counter[str] = Counter()


class _Requests(logging.Handler):
    """Counts requests. It looks at the record's arguments: to make text of them would cost time."""

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(record.args, tuple) and len(record.args) > 1:
            _requests[str(getattr(record.args[1], "port", None))] += 1


def _report() -> None:
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    peak = int(status["VmHWM"].split()[0]) * 1024
    Path(os.environ["BENCH_REPORT"]).write_text(json.dumps({"peak": peak, "requests": _requests}))


if __name__ == "__main__":
    atexit.register(_report)  # the first to be registered is the last to run
    logger = logging.getLogger("httpx")
    logger.setLevel(logging.INFO)
    logger.addHandler(_Requests(logging.INFO))
    logger.propagate = False
    module = sys.argv.pop(1)
    runpy.run_module(module, run_name="__main__", alter_sys=True)
