// Typecase in JavaScript: browsers, Node, Deno, workers. No dependency, no network but for the module itself.
//
//   import { Typecase } from "./typecase.mjs";
//   const typecase = await Typecase.open(bytesOfACase);
//   const { label, probability } = typecase.classify("Oil prices soar to all-time record");

/**
 * What a case says of a text.
 * @typedef {object} Verdict
 * @property {string} label Name of the class.
 * @property {number} labelIndex Index of the class.
 * @property {number} probability Calibrated probability of the class, 0 to 1.
 * @property {number[]} scores Exact scores, one a class: the same numbers on every device.
 * @property {number} scoreScale `softmax(scores * scoreScale)` are the probabilities of all classes.
 * @property {boolean} truncated The text was cut: the case looks at fewer bytes or features.
 * @property {boolean} abstain The probability is below the case's threshold: better not to rely on the label.
 * @property {number} unknownShare The share of the words that the case does not know, 0 to 1.
 * @property {number} tokens Features of the text that have a row.
 * @property {number} invalidUtf8 Invalid parts of UTF-8; only bytes can have any.
 */

/**
 * Where the module comes from: nothing for `typecase.wasm` beside this file, or its bytes, a compiled module, an
 * address, or the answer of `fetch`.
 * @typedef {BufferSource | WebAssembly.Module | URL | Response | Promise<Response>} Source
 */

/** A case is refused; `code` is the stable number of the reason. */
export class TypecaseError extends Error {
  /** @param {string} message @param {number} code */
  constructor(message, code) {
    super(message);
    this.name = "TypecaseError";
    /** @type {number} */
    this.code = code;
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const TRUNCATED = 1;
const ABSTAIN = 2;

/** An opened case. */
export class Typecase {
  #wasm;
  #handle;

  /** @private Use {@link Typecase.open}. */
  constructor(wasm, handle) {
    this.#wasm = wasm;
    this.#handle = handle;
    /** Name of the case. @type {string} */
    this.name = this.#text(0);
    /** Names of the classes. @type {readonly string[]} */
    this.labels = Object.freeze(Array.from({ length: wasm.typecase_classes(handle) }, (_, i) => this.#text(i + 1)));
    /** SHA-256 that stands for every byte of the case. @type {string} */
    this.digest = Array.from(this.#room(wasm.typecase_digest(handle)), (b) => b.toString(16).padStart(2, "0")).join("");
  }

  /**
   * Checks a case whole and opens it; the bytes are copied.
   * @param {BufferSource} bytes The file.
   * @param {{ wasm?: Source }} [options]
   * @returns {Promise<Typecase>}
   */
  static async open(bytes, { wasm: source } = {}) {
    const wasm = await instantiate(source);
    write(wasm, asBytes(bytes));
    const handle = wasm.typecase_open();
    if (handle === 0) {
      const code = wasm.typecase_error();
      throw new TypecaseError(`not a case that can be used: error ${code}`, code);
    }
    return new Typecase(wasm, handle);
  }

  /**
   * Classifies a text: a string (a lone surrogate counts as U+FFFD), or any bytes, read as lossy UTF-8.
   * @param {string | BufferSource} text
   * @returns {Verdict}
   */
  classify(text) {
    const wasm = this.#open();
    const bytes = typeof text === "string" ? encoder.encode(text) : asBytes(text);
    write(wasm, bytes);
    const at = wasm.typecase_classify(this.#handle, bytes.length);
    const view = new DataView(wasm.memory.buffer);
    const u32 = (field) => view.getUint32(at + 4 * field, true);
    const f32 = (field) => view.getFloat32(at + 4 * field, true);
    const labelIndex = u32(0);
    const [scoresAt, classes, flags] = [u32(2), u32(3), u32(6)];
    return {
      label: this.labels[labelIndex],
      labelIndex,
      probability: f32(1),
      scores: Array.from({ length: classes }, (_, i) => view.getInt32(scoresAt + 4 * i, true)),
      scoreScale: f32(4),
      truncated: (flags & TRUNCATED) !== 0,
      abstain: (flags & ABSTAIN) !== 0,
      unknownShare: f32(5),
      tokens: u32(7),
      invalidUtf8: u32(8),
    };
  }

  /**
   * Runs the golden vectors of the case in this very engine.
   * @returns {number} How many came out exactly: all of them.
   */
  verify() {
    const wasm = this.#open();
    const vectors = wasm.typecase_verify(this.#handle);
    if (vectors === 0) {
      const code = wasm.typecase_error();
      throw new TypecaseError(`golden vectors differ: error ${code}`, code);
    }
    return vectors;
  }

  /** Gives the memory back; nothing else may be called afterwards. */
  close() {
    this.#wasm?.typecase_close(this.#handle);
    this.#wasm = undefined;
  }

  #open() {
    if (this.#wasm === undefined) throw new TypecaseError("the case was closed", 0);
    return this.#wasm;
  }

  #text(index) {
    return decoder.decode(this.#room(this.#wasm.typecase_name(this.#handle, index)));
  }

  #room(len) {
    return new Uint8Array(this.#wasm.memory.buffer, this.#wasm.typecase_room_address(), len);
  }
}

/** @param {Uint8Array} bytes */
function write(wasm, bytes) {
  const at = wasm.typecase_room(bytes.length) >>> 0;
  // Making room may have moved the memory: look at it anew.
  new Uint8Array(wasm.memory.buffer, at, bytes.length).set(bytes);
}

/** @param {BufferSource} bytes */
function asBytes(bytes) {
  if (bytes instanceof Uint8Array) return bytes;
  if (ArrayBuffer.isView(bytes)) return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes instanceof ArrayBuffer) return new Uint8Array(bytes);
  throw new TypeError("neither text nor bytes");
}

/** @param {Source | undefined} source */
async function instantiate(source = new URL("./typecase.wasm", import.meta.url)) {
  source = await source;
  if (source instanceof URL) source = await load(source);
  if (typeof Response !== "undefined" && source instanceof Response) {
    if (!source.ok) throw new TypecaseError(`${source.url}: status ${source.status}`, 0);
    source = await source.arrayBuffer();
  }
  const made = await WebAssembly.instantiate(source, {});
  return (made instanceof WebAssembly.Instance ? made : made.instance).exports;
}

/** @param {URL} url */
async function load(url) {
  if (url.protocol !== "file:") return fetch(url);
  const { readFile } = await import("node:fs/promises");
  return readFile(url);
}
