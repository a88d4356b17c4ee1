"""The window process: PySide6 windows driven by the agent's pipe; knows no card.

Everything that it shows came over its standard input, and its standard output is read
by the agent alone. It ends when that input ends and its window is closed.
"""
