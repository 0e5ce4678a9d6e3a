#!/usr/bin/env python
"""Django's door: `manage.py up` starts everything, `manage.py help` lists the rest."""

import os
import sys


def main() -> None:
    """Run one management command with the project's settings."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ucplatform.settings")
    try:
        from django.core.management import execute_from_command_line
    except ImportError:
        sys.exit("Django is not installed here: run `make setup`, then .venv/bin/python manage.py …")
    if sys.argv[1:2] == ["up"]:
        # The supervisor needs the settings alone: without loading the applications it starts a second sooner.
        from ucplatform.embedded.management.commands.up import Command

        return Command().run_from_argv(sys.argv)
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
