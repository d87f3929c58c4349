"""The terminal: `prefect-octopusx`."""

from prefect_octopusx.cli.program import main

__all__ = ["main"]
