"""One transfer by one tool, in a process of its own: `python -m benchmarks.transfer_tools NAME`.

Settings are in the environment; its last line is a JSON object with the figures. It runs wherever the tool is
installed, so nothing but Python's own is imported up here. Each tool makes one small transfer first, which is not
measured: what is loaded on first use, and what a client keeps, is in the memory of the idle process.
"""

# ruff: noqa: PLC0415 - each tool is imported by who measures it

import asyncio
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

_FILES, _S3 = os.environ["BENCH_FILES"], os.environ["BENCH_S3"]
_KEY, _SECRET, _REGION = (
    os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")
)
_BUCKET = "videos"
_PIECE = 1024 * 1024

Transfer = Callable[[str], None]
"""Brings the file of a name from the file host to the bucket."""


def ours() -> Transfer:
    """Return what a flow does with a finished video, between the API's answer and the record."""
    from prefect_octopusx.api import OctopusXClient
    from prefect_octopusx.storage import S3Options, S3Store
    from prefect_octopusx.storage.transfer import transfer

    store = S3Store(S3Options(bucket=_BUCKET, endpoint_url=_S3))
    runner = asyncio.Runner()  # one event loop and one client, as in a task, which has just asked for the link
    client = OctopusXClient(api_key="sk-bench", base_url=_FILES)

    async def save(name: str) -> None:
        async with client.open_video(f"{_FILES}/{name}.mp4") as video:
            await transfer(
                store, name, video.chunks, declared_length=video.declared_length, content_type=video.content_type
            )

    return lambda name: runner.run(save(name))


def download() -> Transfer:
    """Return a download to nothing."""
    import httpx

    def fetch(name: str) -> None:
        with httpx.stream("GET", f"{_FILES}/{name}.mp4", timeout=60) as response:
            for _ in response.iter_bytes():
                pass

    return fetch


def upload() -> Transfer:
    """Return an upload of a file that lies here already."""
    client = _boto3()
    folder = Path(os.environ["BENCH_FOLDER"])
    return lambda name: client.upload_file(str(folder / f"{name}.mp4"), _BUCKET, f"{name}.mp4")


def temporary_file() -> Transfer:
    """Return what most scripts do: httpx to a file, then boto3."""
    import httpx

    client = _boto3()

    def save(name: str) -> None:
        with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
            with httpx.stream("GET", f"{_FILES}/{name}.mp4", timeout=60) as response:
                response.raise_for_status()
                for chunk in response.iter_bytes():
                    file.write(chunk)
            file.flush()
            client.upload_file(file.name, _BUCKET, f"{name}.mp4")

    return save


def smart_open() -> Transfer:
    """Return smart_open from address to address, as its own page does it."""
    from smart_open import open as open_address

    parameters = {"client": _boto3()}

    def save(name: str) -> None:
        with (
            open_address(f"{_FILES}/{name}.mp4", "rb") as source,
            open_address(f"s3://{_BUCKET}/{name}.mp4", "wb", transport_params=parameters) as target,
        ):
            shutil.copyfileobj(source, target, _PIECE)

    return save


def prefect_streamed() -> Transfer:
    """Return prefect-aws's block, given the open response."""
    block = _s3_bucket()

    def save(name: str) -> None:
        with urllib.request.urlopen(f"{_FILES}/{name}.mp4", timeout=60) as response:  # noqa: S310 - our own
            block.upload_from_file_object(response, f"{name}.mp4")

    return save


def prefect_write_path() -> Transfer:
    """Return prefect-aws's block, given the bytes, as Prefect's own interface wants them."""
    import httpx

    block = _s3_bucket()

    def save(name: str) -> None:
        response = httpx.get(f"{_FILES}/{name}.mp4", timeout=60)
        block.write_path(f"{name}.mp4", response.raise_for_status().content)

    return save


def obstore() -> Transfer:
    """Return obstore from store to store."""
    from obstore import get_async, put_async
    from obstore.store import HTTPStore, S3Store

    options: Any = {"allow_http": True, "timeout": "300s"}
    source = HTTPStore.from_url(_FILES, client_options=options)
    target = S3Store(
        _BUCKET,
        endpoint=_S3,
        region=_REGION,
        access_key_id=_KEY,
        secret_access_key=_SECRET,
        virtual_hosted_style_request=False,
        client_options=options,
    )

    async def save(name: str) -> None:
        await put_async(target, f"{name}.mp4", await get_async(source, f"{name}.mp4"))

    return lambda name: asyncio.run(save(name))


def curl_and_aws() -> Transfer:
    """Return curl, piped into the AWS CLI. Both are started anew for each video."""
    curl, aws = command("curl"), command("aws")

    def save(name: str) -> None:
        source = [curl, "--silent", "--fail", f"{_FILES}/{name}.mp4"]
        target = [aws, "s3", "cp", "--only-show-errors", "--endpoint-url", _S3, "-", f"s3://{_BUCKET}/{name}.mp4"]
        with subprocess.Popen(source, stdout=subprocess.PIPE) as piped:  # noqa: S603 - ours
            subprocess.run(target, stdin=piped.stdout, check=True)  # noqa: S603 - ours
        if piped.returncode:
            raise RuntimeError(f"curl ended with {piped.returncode}")

    return save


def _boto3() -> Any:  # noqa: ANN401 - a client of boto3
    import boto3

    return boto3.client("s3", endpoint_url=_S3)


def _s3_bucket() -> Any:  # noqa: ANN401 - a block of a library that need not be here
    import logging

    from prefect_aws import AwsClientParameters, AwsCredentials, S3Bucket

    logging.disable(logging.WARNING)
    parameters = AwsClientParameters(endpoint_url=_S3)
    credentials = AwsCredentials(
        aws_access_key_id=_KEY,
        aws_secret_access_key=_SECRET,
        region_name=_REGION,
        aws_client_parameters=parameters,
    )
    return S3Bucket(bucket_name=_BUCKET, credentials=credentials)


TOOLS: dict[str, Callable[[], Transfer]] = {
    "ours": ours,
    "download": download,
    "upload": upload,
    "temporary_file": temporary_file,
    "smart_open": smart_open,
    "prefect_streamed": prefect_streamed,
    "prefect_write_path": prefect_write_path,
    "obstore": obstore,
    "curl_and_aws": curl_and_aws,
}


def main() -> None:
    """Transfer once, print what it took."""
    transfer = TOOLS[sys.argv[1]]()
    transfer(os.environ["BENCH_SMALL"])
    idle, used = forget_the_peak(), cpu()
    began = time.monotonic()
    transfer(os.environ["BENCH_NAME"])
    seconds = time.monotonic() - began
    print(json.dumps({"seconds": seconds, "cpu": cpu() - used, "memory": peak() - idle}), flush=True)
    os._exit(0)  # what was measured is over; obstore's threads abort the process in its own end, at times


def command(name: str) -> str:
    """Return the path of a program, that of this environment first; raises where there is none."""
    found = shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if found is None:
        raise FileNotFoundError(name)
    return found


def cpu() -> float:
    """Return the CPU time of this process and of those that it started, in seconds."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def forget_the_peak() -> int:
    """Let the peak of this process begin anew; return where it begins."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak()


def peak() -> int:
    """Return the most bytes that this process held, or one that it started."""
    lines = Path("/proc/self/status").read_text().splitlines()
    own = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) * 1024


if __name__ == "__main__":
    main()
