"""The world written down as the public tables of `muledetect.schema`."""
