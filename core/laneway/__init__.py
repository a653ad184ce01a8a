"""Laneway: render submission for artists, an engine framework for technical directors, and a dispatcher."""

__version__ = "0.1.0"
