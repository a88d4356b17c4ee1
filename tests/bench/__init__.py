"""The benchmark: `python -m tests.bench`; starts a private pcscd and the agent."""
