"""The same where the script is not on the PATH: `python -m prefect_octopusx.cli`."""

import sys

from prefect_octopusx.cli.program import main

sys.exit(main())
