"""`python -m wsdiag`."""

from wsdiag.cli import main

if __name__ == "__main__":
    main()
