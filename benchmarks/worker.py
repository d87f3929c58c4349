"""A real worker with a deployment of each flow, watched from outside: its processes, by `/proc`, and its requests."""

import contextlib
import os
import re
import resource
import signal
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from benchmarks.scale import BUCKET, client_settings
from deployments.demo import KEY, start

_POOL = "bench"
_AT_ONCE = 10
_REQUEST = re.compile(r"^(\d+) \S+ HTTP Request: \w+ (http://[^/]+)/([^? ]+)", re.MULTILINE)


class Start(NamedTuple):
    """What a start of a run took, until its process was gone."""

    cpu: float
    """Seconds."""
    memory: float
    """MB, the most that was seen."""


class Worker:
    """A process worker as Prefect sets it up, which starts at most ten runs at once.

    Args:
        addresses: The servers.
        home: An empty folder.
        stack: Ends it, and what it started.
    """

    def __init__(self, addresses: dict[str, str], home: Path, stack: contextlib.ExitStack) -> None:
        self._addresses = addresses
        self._log, self._s3_log = home / "worker.log", home / "S3 server.log"
        self._api = stack.enter_context(httpx.Client(base_url=f"{addresses['DEMO_PREFECT']}/api", timeout=60))
        settings = client_settings(addresses, home) | {
            "OCTOPUSX_API_KEY": KEY,
            "OCTOPUSX_BASE_URL": addresses["DEMO_GATEWAY"],
            # httpx logs each request; the runs' output ends up in the worker's.
            "PREFECT_LOGGING_ROOT_LEVEL": "INFO",
            "PREFECT_LOGGING_FORMATTERS_STANDARD_FORMAT": "%(process)d %(asctime)s %(message)s",
            "TMPDIR": str(home),
        }
        command = ["prefect", "worker", "start", "--pool", _POOL, "--type", "process", "--limit", str(_AT_ONCE)]
        self._process = start(self._log, command, settings, stack)
        stack.callback(self._stop)
        self.until(lambda: self._api.get(f"/work_pools/{_POOL}").is_success, "the worker's pool")
        self._deployments = {
            "generate_video": self._deploy("generate_video", "single"),
            "generate_videos": self._deploy("generate_videos", "batch"),
        }

    def submit(self, flow: str, *, after: float = 0.0, **parameters: Any) -> str:  # noqa: ANN401 - of any flow
        """Ask for a run in `after` seconds; return its id."""
        destination = {"bucket": BUCKET, "endpoint_url": self._addresses["DEMO_S3"], "region": "us-east-1"}
        at = datetime.now(UTC) + timedelta(seconds=after)
        return self._post(
            f"/deployments/{self._deployments[flow]}/create_flow_run",
            parameters={"destination": destination} | parameters,
            state={"type": "SCHEDULED", "state_details": {"scheduled_time": at.isoformat()}},
        )

    def states(self, run: str) -> list[tuple[str, datetime]]:
        """Return the states that a run was in, and since when."""
        states = self._ask("GET", f"/flow_run_states/?flow_run_id={run}").json()
        return [(state["name"], datetime.fromisoformat(state["timestamp"])) for state in states]

    def away(self) -> int:
        """Return how many runs are away."""
        which = {"flow_runs": {"state": {"name": {"any_": ["AwaitingVideo"]}}}}
        found: int = self._ask("POST", "/flow_runs/count", json=which).json()
        return found

    def delete(self, run: str) -> None:
        """Let a run that is away never come back."""
        self._ask("DELETE", f"/flow_runs/{run}")

    def processes(self) -> list[int]:
        """Return the processes of the runs: all below the worker."""
        return _below(self._process.pid)

    def idle(self) -> None:
        """Wait until no run has a process: it ends a little after the run."""
        self.until(lambda: not self.processes(), "the ends of the processes")

    def memory(self) -> float:
        """Return what the processes of the runs hold, in MB; what they share counts for each."""
        held = 0
        for pid in self.processes():
            with contextlib.suppress(OSError):  # it just ended
                held += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return held * resource.getpagesize() / 1e6

    def cpu(self) -> float:
        """Return the CPU time of all processes of runs that ended, in seconds, as the kernel counted it."""
        fields = _fields(self._process.pid)
        return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")

    def next_start(self) -> Start:
        """Watch the next start of a run; it must be the only one that goes on."""
        used, most = self.cpu(), 0.0
        self.until(self.processes, "a start")
        while self.processes():
            most = max(most, self.memory())
            time.sleep(0.1)
        return Start(self.cpu() - used, most)

    def requests(self) -> Counter[tuple[str, str]]:
        """Count the requests so far: by who is asked or, at Prefect's API, by who asks, and by what for."""
        counts: Counter[tuple[str, str]] = Counter()
        for pid, server, path in _REQUEST.findall(self._log.read_text(errors="replace")):
            parts = path.split("/")
            if server != self._addresses["DEMO_PREFECT"]:
                counts["OctopusX", parts[-1]] += 1
            elif parts[-1] != "get_scheduled_flow_runs":  # the worker asks that in any case
                who = "worker" if int(pid) == self._process.pid else "run"
                counts[who, parts[-1] if parts[-1] == "set_state" else parts[1]] += 1
        counts["S3", "any"] = self._s3_log.read_text(errors="replace").count(f" /{BUCKET}/")
        return counts

    def until(self, happened: Callable[[], Any], what: str) -> None:
        """Wait until something happened.

        Raises:
            TimeoutError: It did not within ten minutes, or the worker ended; with the end of the worker's log.
        """
        until = time.monotonic() + 600
        while not happened():
            if time.monotonic() > until or self._process.poll() is not None:
                tail = "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])
                raise TimeoutError(f"Waited in vain for {what}. The end of the worker's log:\n{tail}")
            time.sleep(0.5)

    def _deploy(self, flow: str, module: str) -> str:
        return self._post(
            "/deployments/",
            name="bench",
            flow_id=self._post("/flows/", name=flow.replace("_", "-")),
            entrypoint=f"prefect_octopusx.flows.{module}.{flow}",
            work_pool_name=_POOL,
            enforce_parameter_schema=False,
        )

    def _post(self, path: str, **body: Any) -> str:  # noqa: ANN401 - JSON
        found: str = self._ask("POST", path, json=body).json()["id"]
        return found

    def _ask(self, method: str, path: str, **how: Any) -> httpx.Response:  # noqa: ANN401 - of httpx
        """Ask Prefect's API, again while its database is busy, as Prefect's own client does."""
        for _ in range(20):
            answer = self._api.request(method, path, **how)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                break
            time.sleep(0.5)
        return answer.raise_for_status()

    def _stop(self) -> None:
        """End the worker and its runs at once; while it is halted, it starts no more of them."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGSTOP)
            for pid in (*self.processes(), self._process.pid):
                os.kill(pid, signal.SIGKILL)


def _below(pid: int) -> list[int]:
    """Return the children of a process, and theirs."""
    children: dict[int, list[int]] = {}
    for each in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it just ended
            parent = int(_fields(int(each.name))[1])
            children.setdefault(parent, []).append(int(each.name))
    found = children.get(pid, [])
    for child in found:  # grows on the way
        found += children.get(child, [])
    return found


def _fields(pid: int) -> list[str]:
    """Return what the kernel tells of a process, from its state on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
