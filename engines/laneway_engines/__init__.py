"""The engines that ship with Laneway, one file per application. They are found by their files and imported by engine hosts only."""
