"""Coverage-guided fuzzing of everything that parses what others wrote.

`python -m tests.fuzz TARGET [--seconds N]`; docs/development.md says more.
"""
