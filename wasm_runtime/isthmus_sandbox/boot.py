"""Run as a script in a bare interpreter (`python -I -S boot.py PATHS MODULE ...`): extend the path, run the module.

PATHS is a JSON list of directories. Nothing of the environment, of `site` or of the working directory takes part.
"""

import json
import runpy
import sys

if __name__ == "__main__":
    paths, module = sys.argv[1:3]
    sys.path.extend(json.loads(paths))
    del sys.argv[1:3]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
