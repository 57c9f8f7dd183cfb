// Pyodide: CPython in Wasm, by V8. Run by node in the folder where it is installed.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(process.cwd() + "/");
const { loadPyodide } = await import(pathToFileURL(require.resolve("pyodide/pyodide.mjs")).href);
const output = [];
const python = await loadPyodide({ stdout: (line) => output.push(line) });
for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  output.length = 0;
  try {
    python.runPython(JSON.parse(line).code);
    answer = { ok: true, output: output.join("\n") };
  } catch (error) {
    answer = { ok: false, error: String(error).slice(-500) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
