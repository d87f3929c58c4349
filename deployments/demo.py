"""The demo: two videos from prompt to bucket, on this machine, for nothing.

Starts a sandbox gateway, a Prefect server and an S3 server on 127.0.0.1, runs `demo_videos.py` against them, and stops
everything it started. With `--keep` the servers stay until Ctrl-C, to look at the runs in the Prefect UI.
"""

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

SECONDS_A_VIDEO = 12
KEY = "sk-sandbox"
Process = subprocess.Popen[bytes]


class DemoError(Exception):
    """The demo can't go on; the message says why."""


def main() -> int:
    """Run the demo; 0 if both videos are stored and were paid for once."""
    parser = argparse.ArgumentParser(description="Two videos from prompt to bucket, on this machine, for nothing.")
    parser.add_argument("--keep", action="store_true", help="keep the servers up until Ctrl-C, to look at the UI")
    keep = parser.parse_args().keep
    os.environ |= {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}  # all servers of the demo are here
    for number in (signal.SIGINT, signal.SIGTERM):  # either ends it in good order, also where a shell ignores SIGINT
        signal.signal(number, signal.default_int_handler)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="prefect-octopusx-demo-") as home, contextlib.ExitStack() as stack:
        try:
            addresses = start_servers(Path(home), stack)
            code = run_videos(Path(home), addresses)
            print(f"Done in {time.monotonic() - began:.0f} s.", flush=True)
            if keep:
                print(f"Prefect UI: {addresses['DEMO_PREFECT']}   Ctrl-C stops the servers.", flush=True)
                signal.pause()
            print("Stopping the servers; `make demo KEEP=1` keeps them up, to look at the runs.", flush=True)
        except KeyboardInterrupt:
            print("\nStopped.")
            return 0 if keep else 130
        except DemoError as error:
            print(error, file=sys.stderr)
            return 1
    return code


def start_servers(
    home: Path, stack: contextlib.ExitStack, *, seconds_a_video: float = SECONDS_A_VIDEO
) -> dict[str, str]:
    """Start gateway, S3 and Prefect side by side; return their addresses once all answer."""
    gateway_port, s3_port, prefect_port = free_ports(3)
    gateway, s3, prefect = (f"http://127.0.0.1:{port}" for port in (gateway_port, s3_port, prefect_port))
    prefect_settings = {
        "PREFECT_HOME": str(home / "prefect-server"),
        "PREFECT_UI_API_URL": f"{prefect}/api",  # with a port of its own, the UI has to be told
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }
    sandbox = ["prefect_octopusx.cli", "sandbox", "--port", gateway_port, "--key", KEY]
    servers = [
        ("sandbox gateway", f"{gateway}/sandbox/health", [*sandbox, "--generation", str(seconds_a_video)], {}),
        ("S3 server", f"{s3}/moto-api/", ["moto.server", "-H", "127.0.0.1", "-p", s3_port], {}),
        (
            "Prefect server",
            f"{prefect}/api/health",
            ["prefect", "server", "start", "--host", "127.0.0.1", "--port", prefect_port],
            prefect_settings,
        ),
    ]
    print("Starting a sandbox gateway, an S3 server and a Prefect server ...", flush=True)
    processes = [start(home / f"{name}.log", arguments, settings, stack) for name, _, arguments, settings in servers]
    for process, (name, url, _, _) in zip(processes, servers, strict=True):
        wait_until_up(name, process, url, home / f"{name}.log")
        print(
            f"  {name:<16} {url.removesuffix('/sandbox/health').removesuffix('/moto-api/').removesuffix('/api/health')}"
        )
    return {"DEMO_GATEWAY": gateway, "DEMO_S3": s3, "DEMO_PREFECT": prefect}


def run_videos(home: Path, addresses: dict[str, str]) -> int:
    """Run the main job in a process of its own, as a user would, and return its exit code."""
    settings = addresses | {
        "DEMO_KEY": KEY,
        "PREFECT_HOME": str(home / "prefect-client"),
        "PREFECT_API_URL": f"{addresses['DEMO_PREFECT']}/api",
        # The screen shows progress; the log of each run is in the UI.
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
        "AWS_ACCESS_KEY_ID": "demo",
        "AWS_SECRET_ACCESS_KEY": "demo",
    }
    script = Path(__file__).with_name("demo_videos.py")
    return subprocess.run([sys.executable, str(script)], env=environment(settings), check=False).returncode  # noqa: S603


def environment(settings: dict[str, str]) -> dict[str, str]:
    """Return this process's environment with `settings` and without anything else that Prefect or AWS would read."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "AWS_", "OCTOPUSX_"))}
    return kept | {"DO_NOT_TRACK": "1"} | settings


def start(log: Path, arguments: list[str], settings: dict[str, str], stack: contextlib.ExitStack) -> Process:
    """Start `python -m ...` in a process group of its own, to be stopped with its children."""
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own commands
            [sys.executable, "-m", *arguments],
            env=environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    stack.callback(stop, process)
    return process


def stop(process: Process) -> None:
    """End a process and its children: politely, then surely."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10)
    process.wait()


def wait_until_up(name: str, process: Process, url: str, log: Path) -> None:
    """Wait until `url` answers.

    Raises:
        DemoError: It does not within two minutes, or the process ended; with the end of its log.
    """
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(url, timeout=2).is_success:
                return
        time.sleep(0.2)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
    raise DemoError(f"The {name} did not start. The end of its log:\n{tail}")


def free_ports(count: int) -> list[str]:
    """Find ports that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [str(each.getsockname()[1]) for each in sockets]


if __name__ == "__main__":
    sys.exit(main())
