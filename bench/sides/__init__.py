"""What ``bench/peers.py`` is made of.

The driver runs in the product's environment: *servers* (PostgreSQL, Temporal, Cairn), *venvs* (one a peer), *side* (the
driver's end of a peer's process), *plan* (what is measured), *stored* (bytes), *cpu*, *results*, *aims* and *page*. For
one worker and two: *workers*, *scale*, *traffic* (what executions cause at the servers), *profiling* with *flame* (its
pictures), and *cost*, which is arithmetic alone; *scale_page* and *cost_page* are its sections.
Each ``run_*.py`` is a program in an environment of its own that reads jobs and writes figures, one JSON object a line
(*talk*), and so is *charts*.
"""
