"""``python -m rewardax`` is the ``rewardax`` command."""

import sys

from rewardax.cli import main

sys.exit(main())
