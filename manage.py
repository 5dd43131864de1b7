#!/usr/bin/env python
"""Runs Director's commands; without DATABASE_URL the embedded servers are up while a command runs."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "director.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import OperationalError, ProgrammingError
    from psycopg.errors import UndefinedColumn, UndefinedTable

    from director import embedded
    from director.errors import SetupError

    embedded.take_data_dir_from(sys.argv)
    try:
        if embedded.is_needed_for(sys.argv):
            embedded.join_unless_configured()
        execute_from_command_line(sys.argv)
    except SetupError as error:
        sys.exit(error.message)
    except ImproperlyConfigured as error:
        sys.exit(str(error))
    except ProgrammingError as error:
        if not isinstance(error.__cause__, UndefinedTable | UndefinedColumn):
            raise
        sys.exit("The database is empty or of an older Director. Run `manage.py migrate` first; `manage.py up` does.")
    except OperationalError as error:
        sys.exit(
            f"The database cannot be used: {str(error).strip()}. Look whether it runs and DATABASE_URL leads to it."
        )
    except KeyboardInterrupt:
        sys.exit(130)  # as a shell says it of a program ended by Ctrl-C


if __name__ == "__main__":
    main()
