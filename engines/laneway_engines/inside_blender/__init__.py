"""What runs inside Blender, in its own Python: nothing of Laneway is importable here."""
