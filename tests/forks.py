"""Processes that are forked from one that has imported all that a run of a flow imports, and has done nothing yet.

Importing it takes seconds each time, and tests that kill processes need many.
"""

import multiprocessing

__all__ = ["FORKS"]

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "prefect_octopusx.blocks",
        "prefect_octopusx.flows.batch",
        "prefect_octopusx.flows.single",
        # What Prefect and boto3 import only when a flow runs.
        "boto3.s3.inject",
        "fastapi.encoders",
        "graphviz",
        "prefect.engine",
        "prefect.flow_engine",
        "prefect.task_engine",
    ]
)
