"""`prefect-octopusx sandbox`: a local OctopusX."""

import logging
import signal
import sys
import textwrap
import threading
from typing import Annotated

from cyclopts import Parameter

from prefect_octopusx.cli.exits import Exit
from prefect_octopusx.cli.options import Switch, Texts
from prefect_octopusx.sandbox import Sandbox, SandboxSettings
from prefect_octopusx.sandbox.faults import KINDS

__all__ = ["sandbox"]

_DEFAULTS = SandboxSettings()
_SECONDS = Parameter(metavar="SECONDS")
_UNITS = Parameter(metavar="UNITS")


def sandbox(
    *,
    host: str = "127.0.0.1",
    port: int = 8765,
    files_port: int = 0,
    key: Texts = None,
    generation: Annotated[float, _SECONDS] = _DEFAULTS.generation,
    off_peak_generation: Annotated[float | None, _SECONDS] = None,
    refresh: Annotated[float, _SECONDS] = _DEFAULTS.refresh,
    quota: Annotated[int | None, _UNITS] = None,
    price: Annotated[int, _UNITS] = _DEFAULTS.price,
    url_lifetime: Annotated[float, _SECONDS] = _DEFAULTS.url_lifetime,
    seed: int | None = None,
    list_faults: Switch = False,
) -> int:
    """Serve until Ctrl-C.

    Args:
        host: Address to listen on.
        port: Port of the gateway; 0 takes a free one.
        files_port: Port of the finished videos; 0 takes a free one.
        key: API key to accept; sk-sandbox if left out. Can be repeated.
        generation: How long a video takes.
        off_peak_generation: The same for off-peak videos; three times as long if left out.
        refresh: How often states move.
        quota: What each key may spend; no limit if left out.
        price: What a create costs.
        url_lifetime: How long video URLs are valid.
        seed: Makes the task ids the same in every run.
        list_faults: Print what can go wrong on demand, and end.
    """
    if list_faults:
        _say("\n".join(f"{kind:30} {about}" for kind, about in KINDS.items()))
        return Exit.DONE
    try:
        settings = SandboxSettings(
            keys=tuple(key or _DEFAULTS.keys),
            generation=generation,
            off_peak_generation=off_peak_generation,
            refresh=refresh,
            quota=quota,
            price=price,
            url_lifetime=url_lifetime,
            seed=seed,
        )
    except ValueError as error:
        return _did_not_start(error, Exit.REFUSED)
    logging.basicConfig(level=logging.WARNING)
    stop = threading.Event()
    # Set for SIGINT too: a shell starts background programs with it ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        with Sandbox(settings, host=host, port=port, files_port=files_port) as running:
            _say(_welcome(running))
            stop.wait()
    except OverflowError as error:  # a port that can't be
        return _did_not_start(error, Exit.REFUSED)
    except (OSError, ValueError) as error:
        return _did_not_start(error, Exit.FAILED)
    _say(f"Stopped. Billed creates: {len(running.ledger)}")
    return Exit.DONE


def _welcome(sandbox: Sandbox) -> str:
    return textwrap.dedent(f"""\
        OctopusX sandbox: nothing is billed.

          base URL   {sandbox.url}
          API key    {sandbox.key}

        Put both into an OctopusXCredentials block (base_url, and api_key as a Secret), or try it by hand:

          curl {sandbox.url}/v1/video/create -H 'Authorization: Bearer {sandbox.key}' \\
            -H 'Content-Type: application/json' \\
            -d '{{"model":"viduq3-pro","prompt":"a lighthouse in a storm","images":[]}}'

        What would have been billed:  {sandbox.url}/sandbox/ledger
        What can go wrong on demand:  {sandbox.url}/sandbox/faults

        Stop with Ctrl-C.""")


def _did_not_start(error: Exception, code: Exit) -> Exit:
    sys.stderr.write(f"The sandbox did not start: {error}\n")
    return code


def _say(text: str) -> None:
    # Flushed, because whoever waits for the address may read it from a pipe.
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
