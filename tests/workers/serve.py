"""Serves the flow, as a user's script does: `python serve.py NAME`."""

import sys

from prefect_octopusx.flows import generate_video

if __name__ == "__main__":
    generate_video.serve(name=sys.argv[1])
