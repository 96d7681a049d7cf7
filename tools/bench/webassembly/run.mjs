// Runs one scenario on MicroPython's webassembly build: object sizes as on the chips.
//   node run.mjs FOLDER SCENARIO.py [JSON]
// FOLDER becomes the root of its file system, JSON its `options`; what it prints is passed on.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { loadMicroPython } from "@micropython/micropython-webassembly-pyscript/micropython.mjs";

const [folder, scenario, options = "{}"] = process.argv.slice(2);
const micropython = await loadMicroPython({
  heapsize: 4 * 1024 * 1024,
  stdout: (line) => console.log(line),
});

function copy(from, to) {
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const source = join(from, entry.name);
    const target = `${to}/${entry.name}`;
    if (entry.isDirectory()) {
      micropython.FS.mkdir(target);
      copy(source, target);
    } else {
      micropython.FS.writeFile(target, readFileSync(source));
    }
  }
}

micropython.FS.mkdir("/board");
copy(folder, "/board");
try {
  micropython.runPython(`OPTIONS = ${JSON.stringify(options)}`);
  // This build collects garbage only when no Python is running: so step by step.
  for (const step of readFileSync(scenario, "utf8").split(/^# step.*$/m)) {
    micropython.runPython(step);
    micropython.runPython("import gc; gc.collect()");
  }
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
