"""`python -m seldon_core.microservice` is the command `seldon-core-microservice`, by the name of older scripts."""

import sys

from seldon_core.microservice.main import main

sys.exit(main())
