"""A local OctopusX that bills nothing: for trying flows out, and for seeing what they do when things go wrong.

Start it with `prefect-octopusx sandbox`, or in a test with `Sandbox`. It checks requests against most of the
documented limits, keeps a ledger of what the real service would have billed, and breaks on demand, see `Fault`.
"""

from prefect_octopusx.sandbox.app import create_app
from prefect_octopusx.sandbox.faults import Fault
from prefect_octopusx.sandbox.server import Sandbox
from prefect_octopusx.sandbox.settings import SandboxSettings

__all__ = ["Sandbox", "SandboxSettings", "Fault", "create_app"]
