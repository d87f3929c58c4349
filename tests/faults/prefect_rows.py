"""What can go wrong with Prefect's server while a run waits. The record does not need it."""

from tests.faults.table import STORED, Row, Server

__all__ = ["PREFECT_ROWS"]

PREFECT_ROWS = (
    Row("its server is away for a minute", STORED, "", (Server("away", 1),)),
    Row("its database is locked for half a minute (503)", STORED, "", (Server("locked", 0.5),)),
    Row("it takes no events", STORED, "", (Server("events"),)),
)
