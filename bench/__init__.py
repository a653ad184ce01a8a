"""Laneway's benchmarks: each against its peers in the same run, on the same machine, in interleaved rounds."""
