"""Wiring only: settings, routes, processes, health. Nothing is imported here, because the starter must stay thin."""

__version__ = "0.1.0"
