// node targets/wasm/scores.mjs CASE < TEXTS
//
// Prints the exact scores of the lines of standard input. The first line says what answers; then one line for each
// text: label, scores, flags, parted by tabs. TYPECASE_WASM names the module (else what `cargo xtask wasm` wrote).

import { readFileSync } from "node:fs";

import { Typecase } from "./typecase.mjs";

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;

/** The lines of some bytes, without their ends. @param {Uint8Array} bytes */
function* lines(bytes) {
  for (let start = 0; start < bytes.length; ) {
    const found = bytes.indexOf(LINE_FEED, start);
    const end = found < 0 ? bytes.length : found;
    const cut = found > start && bytes[end - 1] === CARRIAGE_RETURN ? end - 1 : end;
    yield bytes.subarray(start, cut);
    start = end + 1;
  }
}

const module = process.env.TYPECASE_WASM ?? new URL("../../dist/wasm/typecase.wasm", import.meta.url);
try {
  const wasm = await WebAssembly.compile(readFileSync(module));
  const typecase = await Typecase.open(readFileSync(process.argv[2]), { wasm });
  const rows = [`WebAssembly, Node ${process.versions.node}; ${typecase.verify()} golden vectors exact`];
  for (const text of lines(readFileSync(0))) {
    const { label, scores, truncated, abstain, invalidUtf8 } = typecase.classify(text);
    const flags = [[truncated, "truncated"], [abstain, "abstain"], [invalidUtf8 > 0, "invalid"]];
    const set = flags.filter(([isSet]) => isSet).map(([, name]) => name);
    rows.push(`${label}\t${scores.join(",")}\t${set.length === 0 ? "-" : set.join(",")}`);
  }
  process.stdout.write(`${rows.join("\n")}\n`);
} catch (error) {
  process.stderr.write(`error: ${error.message}\n`);
  process.exitCode = 2;
}
