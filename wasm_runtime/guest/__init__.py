"""What runs inside the WebAssembly component: the interpreter's half of `specs/guest.wit`.

Everything but `main` also runs on plain CPython, with a function in the place of `exchange`.
"""
