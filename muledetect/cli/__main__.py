"""`python -m muledetect.cli`."""

from muledetect.cli import main

main()
