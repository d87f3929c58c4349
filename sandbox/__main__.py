"""The sandbox at a terminal: `python -m prefect_octopusx.sandbox`."""

import argparse
import logging
import signal
import sys
import textwrap
import threading
from collections.abc import Sequence

from prefect_octopusx.sandbox.faults import KINDS
from prefect_octopusx.sandbox.server import Sandbox
from prefect_octopusx.sandbox.settings import SandboxSettings

_DEFAULTS = SandboxSettings()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C. Returns the exit code."""
    options = _parser().parse_args(arguments)
    if options.list_faults:
        _say("\n".join(f"{kind:30} {about}" for kind, about in KINDS.items()))
        return 0
    logging.basicConfig(level=logging.WARNING)
    stop = threading.Event()
    # Set for SIGINT too: a shell starts background programs with it ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        settings = SandboxSettings(
            keys=tuple(options.key or _DEFAULTS.keys),
            generation=options.generation,
            off_peak_generation=options.off_peak_generation,
            refresh=options.refresh,
            quota=options.quota,
            price=options.price,
            url_lifetime=options.url_lifetime,
            seed=options.seed,
        )
        with Sandbox(settings, host=options.host, port=options.port, files_port=options.files_port) as sandbox:
            _say(_welcome(sandbox))
            stop.wait()
    except (OSError, OverflowError, ValueError) as error:
        sys.stderr.write(f"The sandbox did not start: {error}\n")
        return 1
    _say(f"Stopped. Billed creates: {len(sandbox.ledger)}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m prefect_octopusx.sandbox",
        description="Serve a local OctopusX that bills nothing.",
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    add("--port", type=int, default=8765, help="port of the gateway; 0 takes a free one (%(default)s)")
    add("--files-port", type=int, default=0, metavar="PORT", help="port of the finished videos (a free one)")
    add("--key", action="append", help=f"API key to accept, can be repeated ({_DEFAULTS.keys[0]})")
    add(
        "--generation",
        type=float,
        default=_DEFAULTS.generation,
        metavar="SECONDS",
        help="how long a video takes (%(default)g)",
    )
    add("--off-peak-generation", type=float, metavar="SECONDS", help="the same for off-peak videos (three times it)")
    add(
        "--refresh",
        type=float,
        default=_DEFAULTS.refresh,
        metavar="SECONDS",
        help="how often states move (%(default)g)",
    )
    add("--quota", type=int, metavar="UNITS", help="what each key may spend (no limit)")
    add("--price", type=int, default=_DEFAULTS.price, metavar="UNITS", help="what a create costs (%(default)s)")
    add(
        "--url-lifetime",
        type=float,
        default=_DEFAULTS.url_lifetime,
        metavar="SECONDS",
        help="validity of video URLs (%(default)g)",
    )
    add("--seed", type=int, help="makes the task ids the same in every run")
    add("--list-faults", action="store_true", help="print what can go wrong on demand, and exit")
    return parser


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


def _say(text: str) -> None:
    # Flushed, because whoever waits for the address may read it from a pipe.
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
