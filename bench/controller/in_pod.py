"""Runs the controller as in a pod, whose service account is in the folder that $BENCH_SERVICE_ACCOUNT names."""

import os
import sys
from pathlib import Path

from controller.__main__ import main
from seldon_core.kube import connection

if __name__ == "__main__":
    connection.SERVICE_ACCOUNT = Path(os.environ["BENCH_SERVICE_ACCOUNT"])
    sys.exit(main([]))
