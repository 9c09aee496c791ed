"""The command line `okxbot`."""
