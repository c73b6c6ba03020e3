"""Nets as files that are carried out without the framework they were made by: netlang's, onnxruntime's, torch's.

`formats` makes the files and the programs that run them, `measure` runs those, `table` is their part of the page.
"""
