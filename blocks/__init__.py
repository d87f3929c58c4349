"""What a user configures once: credentials and destinations, as Prefect blocks."""

from prefect_octopusx.blocks.credentials import OctopusXCredentials
from prefect_octopusx.blocks.defaults import Destination, resolve_credentials, resolve_destination
from prefect_octopusx.blocks.destinations import LocalDestination, S3Destination

__all__ = [
    "Destination",
    "LocalDestination",
    "OctopusXCredentials",
    "S3Destination",
    "resolve_credentials",
    "resolve_destination",
]
