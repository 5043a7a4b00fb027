"""How results are read: tables, charts, one offline page, Markdown, and the gate. The only layer with pandas.

`write.write_reports` renders a folder of results, `gate.check` compares it with a baseline.
"""
