"""The risk gate: a pure function from a decision and everything it rests on to a verdict."""
