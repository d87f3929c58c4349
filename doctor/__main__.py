"""The doctor at a terminal: `python -m prefect_octopusx.doctor`."""

import argparse
import asyncio
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from prefect_octopusx.blocks import Destination, LocalDestination, S3Destination
from prefect_octopusx.doctor.destination import KINDS
from prefect_octopusx.doctor.diagnosing import diagnose
from prefect_octopusx.doctor.table import show

_INTERRUPTED = 130  # as shells have it


def main(arguments: Sequence[str] | None = None) -> int:
    """Examine, and print what was found.

    Returns:
        The exit code: 0 if nothing failed, 1 if something did, 130 after Ctrl-C. Wrong arguments end the process with
        2.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    logging.disable(logging.WARNING)  # what goes wrong is in the results
    try:
        destination = _place(options.to) if options.to is not None else options.destination
        diagnosis = asyncio.run(diagnose(destination, only=options.only, timeout=options.timeout))
    except ValueError as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted. What was just written to the destination, as .doctor…, may still be there.\n")
        return _INTERRUPTED
    finally:
        logging.disable(logging.NOTSET)
    if options.json:
        sys.stdout.write(diagnosis.model_dump_json(indent=2) + "\n")
    else:
        show(diagnosis)
    sys.stdout.flush()
    return 0 if diagnosis.passed(strict=options.strict) else 1


def _place(given: str) -> Destination:
    """Return the destination of an address.

    Raises:
        ValueError: It is none.
    """
    if not given.startswith("s3://"):
        if not given or "://" in given or given.startswith("s3:"):
            raise ValueError(f"--to: {given!r} is neither s3://bucket/prefix nor a folder")
        if given.partition("/")[0] in KINDS:
            raise ValueError(f"--to: {given!r} is a saved block; give it as --destination (or a folder as ./{given})")
        return LocalDestination(folder=Path(given))
    bucket, _, prefix = given.removeprefix("s3://").partition("/")
    try:
        return S3Destination(bucket=bucket, prefix=prefix)
    except ValidationError:
        raise ValueError(f"--to: {given!r} names no bucket: it is like s3://bucket/prefix") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m prefect_octopusx.doctor",
        description="Check what prefect-octopusx needs, and say how to mend what is wrong. Costs nothing.",
        epilog="Exit code: 0 if nothing failed, 1 if something did, 2 for wrong arguments, 130 after Ctrl-C.",
    )
    place = parser.add_mutually_exclusive_group()
    place.add_argument(
        "--destination", metavar="BLOCK", help="a saved block, such as s3-destination/default (what flows would use)"
    )
    place.add_argument("--to", metavar="PLACE", help="s3://bucket/prefix or a folder, in place of a block")
    parser.add_argument(
        "--only", action="append", default=[], metavar="CHECK", help="run this check and what it needs; repeatable"
    )
    parser.add_argument("--timeout", type=float, default=20.0, metavar="SECONDS", help="for each check (%(default)g)")
    parser.add_argument("--strict", action="store_true", help="let warnings fail, too")
    parser.add_argument("--json", action="store_true", help="print JSON, for machines")
    return parser


if __name__ == "__main__":
    sys.exit(main())
