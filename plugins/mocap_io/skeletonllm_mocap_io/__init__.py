"""Motion capture files, one module a format; `plugin.py` lists them.

To add a format: write its module with `read(path) -> list[Clip]` (and `write(clip, path)`); list it in `plugin.py`; add its
row to the matrix in `tests/plugins/test_readers.py`; add its line to the table of formats in the documentation.
"""
