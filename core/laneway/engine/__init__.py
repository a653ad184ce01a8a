"""The engine framework: what an engine subclasses, how engines are found, and what their command lines are."""

from laneway.engine.bucket import Bucket, Spec
from laneway.engine.common import Common, Context, Step
from laneway.engine.discovery import catalogue, load
from laneway.engine.preview import Command, preview
from laneway.engine.progress import Progress
from laneway.errors import EngineError

__all__ = ["Bucket", "Command", "Common", "Context", "EngineError", "Progress", "Spec", "Step", "catalogue", "load", "preview"]
