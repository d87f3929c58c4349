"""Run in a clean environment that holds nothing but the installed wheel: server, sandbox, and one video."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path


def free_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


JOB = """
import asyncio, prefect_octopusx.flows
from prefect_octopusx.api import ViduRequest
from prefect_octopusx.flows import generate_video
assert "site-packages" in prefect_octopusx.flows.__file__, prefect_octopusx.flows.__file__
record = asyncio.run(generate_video(ViduRequest(model="viduq3-pro", prompt="a cat"), name="hero", poll_interval=0.2))
print(record.state, record.size)
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        prefect, gateway = free_port(), free_port()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "OCTOPUSX_"))}
        environment = kept | {
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
            "PREFECT_HOME": folder,
            "PREFECT_API_URL": f"http://127.0.0.1:{prefect}/api",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "OCTOPUSX_API_KEY": "sk-sandbox",
            "OCTOPUSX_BASE_URL": f"http://127.0.0.1:{gateway}",
        }

        def start(*arguments: str) -> None:
            with (Path(folder) / f"{arguments[0]}.log").open("wb") as log:
                process = subprocess.Popen(
                    [sys.executable, "-m", *arguments],
                    env=environment,
                    cwd=folder,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            stack.callback(stop, process)

        start("prefect", "server", "start", "--host", "127.0.0.1", "--port", prefect)
        start("prefect_octopusx.cli", "sandbox", "--port", gateway, "--generation", "1", "--refresh", "0.1")
        wait(f"http://127.0.0.1:{prefect}/api/health", Path(folder) / "prefect.log")
        wait(f"http://127.0.0.1:{gateway}/sandbox/health", Path(folder) / "prefect_octopusx.cli.log")
        subprocess.run([sys.executable, "-c", JOB], env=environment, cwd=folder, check=True)
        assert (Path(folder) / "videos" / "hero.mp4").stat().st_size > 10_000
        script = str(Path(sys.executable).with_name("prefect-octopusx"))
        subprocess.run([script, "status", "hero", "--to", "videos"], env=environment, cwd=folder, check=True)
        command = [sys.executable, "-m", "prefect", "block", "register", "-m", "prefect_octopusx.blocks"]
        subprocess.run(command, env=environment, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        print("The wheel alone runs the main job.")


def wait(url: str, log: Path) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        try:
            urllib.request.urlopen(url, timeout=2)  # noqa: S310 - our own server
        except OSError:
            time.sleep(0.2)
        else:
            return
    sys.exit(f"{url} does not answer:\n{log.read_text()[-3000:]}")


def stop(process: "subprocess.Popen[bytes]") -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10)
    process.wait()


if __name__ == "__main__":
    main()
