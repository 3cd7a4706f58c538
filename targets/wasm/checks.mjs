// node targets/wasm/checks.mjs MODULE
//
// Compares every kernel of a module with the specification: `cargo xtask wasm` does not ship it, see `src/checks.rs`.

import { readFileSync } from "node:fs";

const { instance } = await WebAssembly.instantiate(readFileSync(process.argv[2]), {});
const kernels = instance.exports.typecase_check_kernels();
if (kernels === 0) throw new Error("no kernels beside the specification");
process.stdout.write(`${kernels} kernels equal the specification\n`);
