"""Offline scene readers: what a file says about itself, read without its application and without running anything from it."""
