"""One finished video from its file host to the bucket: ours beside other tools, all in one run.

Run it with `make bench`, or `python -m benchmarks.transfer --sizes 16`; Linux only. Each tool does each transfer in a
process of its own, in an order that rotates from round to round. The tools are those of `benchmarks/requirements.txt`,
where they are installed. It prints a table for each size, in Markdown.
"""

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import boto3

ROOT = Path(__file__).parents[1]
BENCH = ROOT / ".venv" / "bench" / "bin" / "python"
BUCKET = "videos"
MB = 1_000_000


class Tool(NamedTuple):
    """What is compared."""

    name: str
    """In `transfer_tools.py`."""
    label: str
    packages: tuple[str, ...]
    """What has to be installed, and is told in its version."""


TOOLS = (
    Tool("download", "bound: download to nothing, httpx", ("httpx",)),
    Tool("upload", "bound: upload from a file, boto3", ("boto3",)),
    Tool("ours", "**prefect-octopusx**", ("prefect-octopusx",)),
    Tool("temporary_file", "httpx to a temporary file, then boto3", ("httpx", "boto3")),
    Tool("smart_open", "smart_open", ("smart-open", "requests", "boto3")),
    Tool("prefect_streamed", "prefect-aws `S3Bucket.upload_from_file_object`", ("prefect-aws",)),
    Tool("prefect_write_path", "prefect-aws `S3Bucket.write_path`", ("prefect-aws", "httpx")),
    Tool("obstore", "obstore", ("obstore",)),
    Tool("curl_and_aws", "curl, piped into the AWS CLI", ("awscli",)),
)
BOUNDS = ("download", "upload")


class Taken(NamedTuple):
    """What one transfer took."""

    seconds: float
    cpu: float
    """Seconds."""
    memory: float
    """Bytes, over the idle process."""


def main() -> int:
    """Start the servers, let every tool transfer, print the tables; 0 if every video arrived whole."""
    parser = argparse.ArgumentParser(description="One video to a bucket, by several tools, on this machine.")
    parser.add_argument("--sizes", type=int, nargs="+", default=[16, 512], help="MB")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tools", nargs="+", choices=[tool.name for tool in TOOLS], help="only these")
    parser.add_argument("--rate", type=float, default=0.0, help="MB/s of each server; as fast as it can if 0")
    parser.add_argument("--latency", type=float, default=0.0, help="milliseconds that each answer is late")
    parser.add_argument("--swift", action="store_true", help="into OpenStack Swift, a real store on disk")
    options = parser.parse_args()
    asked = [tool for tool in TOOLS if options.tools is None or tool.name in options.tools]
    pythons = {tool: _python(tool) for tool in asked}
    with tempfile.TemporaryDirectory(prefix="prefect-octopusx-bench-") as home, contextlib.ExitStack() as stack:
        folder = Path(home)
        line = ["--rate", str(options.rate), "--latency", str(options.latency / 1000)]
        settings = {
            "BENCH_FILES": stack.enter_context(_server("files", folder, line)),
            "BENCH_FOLDER": home,
            "BENCH_SMALL": "small",
            "PREFECT_HOME": str(folder / "prefect"),
            "TMPDIR": home,
            **(stack.enter_context(_swift() if options.swift else _sink(folder, line))),
        }
        client = _client(settings)
        client.create_bucket(Bucket=BUCKET)
        _film(folder / "small.mp4", 100_000)
        for size in options.sizes:
            _film(folder / f"{size}.mp4", size * MB)
            settings["BENCH_NAME"] = str(size)
            taken: dict[str, list[Taken]] = {tool.name: [] for tool in asked}
            for turn in range(options.rounds):
                _say(f"{size} MB, round {turn + 1} of {options.rounds}")
                for tool in [*asked[turn % len(asked) :], *asked[: turn % len(asked)]]:
                    if python := pythons[tool]:
                        taken[tool.name].append(_run(tool, python, settings))
                        if tool.name != "download":
                            _check(client, f"{size}.mp4", size * MB)
            print(_table(size, asked, taken), flush=True)
    print(_about(pythons))
    return 0


def _run(tool: Tool, python: str, settings: dict[str, str]) -> Taken:
    command = [python, "-m", "benchmarks.transfer_tools", tool.name]
    environment = {"PATH": os.environ["PATH"], "HOME": settings["BENCH_FOLDER"], "NO_PROXY": "127.0.0.1"} | settings
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE)  # noqa: S603 - ours
    return Taken(**json.loads(done.stdout.splitlines()[-1]))


def _check(client: Any, key: str, size: int) -> None:  # noqa: ANN401 - a client of boto3
    stored = client.head_object(Bucket=BUCKET, Key=key)["ContentLength"]
    if stored != size:
        raise RuntimeError(f"{key}: {stored} bytes are stored, of {size}")
    client.delete_object(Bucket=BUCKET, Key=key)


def _table(size: int, tools: Sequence[Tool], taken: dict[str, list[Taken]]) -> str:
    slower = [
        max(one.seconds for one in bounds) for bounds in zip(*(taken.get(name, []) for name in BOUNDS), strict=True)
    ]
    lines = [
        f"\n| {size} MB | MB/s | speed, of the slower bound | CPU | memory over the idle process |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for tool in tools:
        if not (all_taken := taken[tool.name]):
            lines.append(f"| {tool.label} | not installed | | | |")
            continue
        seconds, used, memory = (statistics.median(values) for values in zip(*all_taken, strict=True))
        ratios = [bound / one.seconds for bound, one in zip(slower, all_taken, strict=False)]
        of_bound = f"{statistics.median(ratios):.2f}" if ratios else ""
        cells = [f"{size / seconds:.0f}", of_bound, f"{1000 * used / size:.1f} ms a MB", f"{memory / MB:.0f} MB"]
        lines.append(" | ".join(["| " + tool.label, *cells]) + " |")
    return "\n".join(lines)


def _about(pythons: dict[Tool, str | None]) -> str:
    """Return the machine and the versions."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    found: dict[str, str] = {}
    for tool, python in pythons.items():
        if python:
            code = (
                "import sys, importlib.metadata as m; print(*[f'{p} {m.version(p)}' for p in sys.argv[1:]], sep='\\n')"
            )
            command = [python, "-c", code, *tool.packages]
            told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 - ours
            found |= dict.fromkeys(told.stdout.splitlines(), "")
    return f"\n{os.cpu_count()} cores of {model}, Python {platform.python_version()}; {', '.join(sorted(found))}."


def _python(tool: Tool) -> str | None:
    """Return the interpreter that has what a tool needs: this one, else that of `.venv/bench`."""
    code = "import sys, importlib.metadata as m; [m.version(p) for p in sys.argv[1:]]"
    for python in (sys.executable, str(BENCH)):
        command = [python, "-c", code, *tool.packages]
        with contextlib.suppress(FileNotFoundError):
            if subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode == 0:  # noqa: S603 - ours
                return python
    return None


@contextlib.contextmanager
def _server(kind: str, folder: Path, line: Sequence[str]) -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.transfer_servers", kind, str(folder), *line]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - ours
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"  # type: ignore[union-attr] # it is piped
        finally:
            process.kill()


@contextlib.contextmanager
def _sink(folder: Path, line: Sequence[str]) -> Iterator[dict[str, str]]:
    with _server("s3", folder, line) as address:
        yield _s3(address, "bench", "bench")


@contextlib.contextmanager
def _swift() -> Iterator[dict[str, str]]:
    from tests.swift.server import running  # noqa: PLC0415 - Swift need not be there

    with running() as swift:
        yield _s3(swift.endpoint, swift.access_key, swift.secret_key)


def _s3(address: str, key: str, secret: str) -> dict[str, str]:
    keys = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_DEFAULT_REGION": "us-east-1"}
    return {"BENCH_S3": address, **keys}


def _client(settings: dict[str, str]) -> Any:  # noqa: ANN401 - a client of boto3
    return boto3.client(
        "s3",
        endpoint_url=settings["BENCH_S3"],
        region_name=settings["AWS_DEFAULT_REGION"],
        aws_access_key_id=settings["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=settings["AWS_SECRET_ACCESS_KEY"],
    )


def _film(path: Path, size: int) -> None:
    """Write an mp4 of `size` bytes, as far as its boxes tell."""
    start = _box(b"ftyp", b"isom\0\0\2\0isomiso2") + _box(b"moov", bytes(2000))
    noise = os.urandom(MB)
    with path.open("wb") as file:
        file.write(start + (size - len(start)).to_bytes(4) + b"mdat")
        while left := size - file.tell():
            file.write(noise[:left])


def _box(kind: bytes, payload: bytes) -> bytes:
    return (8 + len(payload)).to_bytes(4) + kind + payload


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
