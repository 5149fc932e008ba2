"""What is copied into a student's process; nothing here is imported by the grader."""
