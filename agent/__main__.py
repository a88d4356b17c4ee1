"""`python -m agent` is `eid-agent`."""

import sys

from agent.cli import main

sys.exit(main())
