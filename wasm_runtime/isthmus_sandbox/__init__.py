"""CPython in WebAssembly, one process for each guest. Knows nothing of `isthmus`."""
