"""What the simulated vendors share: calls, switches, faults, limits, clock and control."""
