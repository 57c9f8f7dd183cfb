"""The configuration: its model, and the loader that reports faults by file, line and remedy.

load(path, environ)            a file -> `Loaded`, or `InvalidConfiguration` with all its faults
find(cwd, environ, platform)   the file that is used where none is named
"""
