"""The HTTP API: routes that read a request, ask the service, and answer. Nothing is decided here."""
