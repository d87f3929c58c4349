"""The same where the script is not on the PATH: `python -m prefect_octopusx.cli`."""

import sys

from prefect_octopusx.cli.main import main

sys.exit(main())
