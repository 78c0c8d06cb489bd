#!/usr/bin/env python3
"""Django's command line for the museum."""

import os
import pathlib
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "museum.settings")
    # In a checkout the package is beside the example. Elsewhere it is installed, and comes first.
    sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "clients" / "python" / "src"))
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
