"""Behavior on the road: night drives, well-lit images, lamps, black areas, exposure stacks."""
