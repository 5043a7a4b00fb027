"""What calls mean: label conventions, named formulas, special values and laws, asked of every library.

A `Case` is a small batch with labels in some convention and what they mean. An `Ask` puts a case to one call in one
mode. Answers are kept as they come, one JSON line each; verdicts are computed from them and can be computed again.
"""
