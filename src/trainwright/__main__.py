"""``python -m trainwright`` is the ``trainwright`` command."""

from trainwright.apps.cli import main

if __name__ == "__main__":
    main()
