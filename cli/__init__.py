"""The terminal: `prefect-octopusx`."""

from prefect_octopusx.cli.main import main

__all__ = ["main"]
