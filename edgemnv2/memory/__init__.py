"""One arena for all rows: live ranges, planner, independent verifier."""
