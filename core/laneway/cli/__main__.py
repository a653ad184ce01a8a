"""`python -m laneway.cli`."""

from laneway.cli import main

raise SystemExit(main())
