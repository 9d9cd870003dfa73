"""`python -m tradingsite.up`, the same as `manage.py up`."""

import sys

from tradingsite.up.command import main

sys.exit(main(sys.argv[1:]))
