"""Results in the formats of others: Gradescope, JUnit, a gradebook, and pages to read."""
