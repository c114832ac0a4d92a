"""The model report: what was measured of a model, as facts, tables and charts of one page."""
