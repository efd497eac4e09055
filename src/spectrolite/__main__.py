"""`python -m spectrolite`."""

from spectrolite.cli import main

if __name__ == "__main__":
    main()
