"""`python -m muledetect.cli`."""

from muledetect.cli import main

if __name__ == "__main__":
    main()
