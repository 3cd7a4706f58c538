// node --test targets/wasm/test.mjs
//
// The module must give what the native command gives: TYPECASE_BIN names the command, TYPECASE_WASM the module (else
// what `cargo xtask wasm` wrote).

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";

import { Typecase, TypecaseError } from "./typecase.mjs";

const root = new URL("../../", import.meta.url);
const file = (path) => readFileSync(new URL(path, root));
const wasm = await WebAssembly.compile(readFileSync(process.env.TYPECASE_WASM ?? new URL("dist/wasm/typecase.wasm", root)));
const cases = ["models/news-64k.case", "models/news-1m.case"];
const open = (path) => Typecase.open(file(path), { wasm });

const lines = (path) => file(path).toString("utf8").split("\n").filter((line) => line !== "");
const samples = ["golden.txt", "news-heldout.txt", "news.csv"].flatMap((name) => lines(`models/sample/${name}`));
const hostile = [
  "",
  " ",
  "\0\u0001\u007f",
  "\ud800",
  "lone \udfff surrogate \ud83d here",
  "\ud83d\ude00 whole",
  "oil ".repeat(50_000),
  "x".repeat(200_000),
  "é".repeat(40_000),
  "&lt;b&gt; #39; \\$ &#x110000; &amp",
  "中文新闻 ひらがな 한국어 العربية",
  "e\u0301\u0301\u0301 \u200b\u200d\ufeff \u{e0001}",
];

/** What the native command says of each text; undefined without the command. */
function native(path, texts) {
  const folder = mkdtempSync(join(tmpdir(), "typecase-"));
  try {
    const input = join(folder, "texts.txt");
    writeFileSync(input, texts.map((text) => Buffer.from(text, "utf8") + "\n").join(""));
    const args = ["classify", "--json", "--case", new URL(path, root).pathname, "--file", input];
    const output = execFileSync(process.env.TYPECASE_BIN, args, { maxBuffer: 1 << 28, encoding: "utf8" });
    return output.trimEnd().split("\n").map((line) => JSON.parse(line));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const near = (a, b, within) => assert.ok(Math.abs(a - b) <= within, `${a} and ${b}`);

for (const path of cases) {
  test(`${path}: the golden vectors come out exactly`, async () => {
    const typecase = await open(path);
    assert.ok(typecase.verify() >= 16);
    assert.match(typecase.digest, /^[0-9a-f]{64}$/);
    assert.equal(typecase.labels.length, 4);
  });

  const skip = process.env.TYPECASE_BIN === undefined && "TYPECASE_BIN names no native command";
  test(`${path}: every verdict is that of the native command`, { skip }, async () => {
    const typecase = await open(path);
    const texts = [...samples, ...hostile];
    const expected = native(path, texts);
    assert.equal(expected.length, texts.length);
    texts.forEach((text, index) => {
      const [verdict, other] = [typecase.classify(text), expected[index]];
      assert.deepEqual(verdict.scores, other.scores, text.slice(0, 80));
      assert.equal(verdict.label, other.label);
      assert.equal(verdict.labelIndex, other.label_index);
      assert.equal(verdict.truncated, other.truncated);
      assert.equal(verdict.abstain, other.abstain);
      assert.equal(verdict.tokens, other.tokens);
      assert.equal(verdict.invalidUtf8, other.invalid_utf8);
      near(verdict.probability, other.probability, 1e-6);
      near(verdict.unknownShare, other.unknown_share, 1e-4);
    });
  });
}

test("bytes are a text too, and invalid UTF-8 is counted", async () => {
  const typecase = await open(cases[0]);
  const text = "Oil prices soar to all-time record";
  assert.deepEqual(typecase.classify(new TextEncoder().encode(text)), typecase.classify(text));
  assert.equal(typecase.classify(Uint8Array.of(0x6f, 0xff, 0x6f)).invalidUtf8, 1);
});

test("a line feed parts words as a space does", async () => {
  const typecase = await open(cases[0]);
  assert.deepEqual(typecase.classify("oil\nprices\r\nrise").scores, typecase.classify("oil prices rise").scores);
});

test("what is no case is refused with the number of the reason", async () => {
  await assert.rejects(Typecase.open(new Uint8Array(0), { wasm }), (e) => e instanceof TypecaseError && e.code === 1);
  const damaged = Uint8Array.from(file(cases[0]));
  damaged[damaged.length - 1] ^= 1;
  await assert.rejects(Typecase.open(damaged, { wasm }), (e) => e instanceof TypecaseError && e.code !== 0);
});

test("a closed case says so, and memory does not grow with every text", async () => {
  const typecase = await open(cases[0]);
  for (let i = 0; i < 3000; i += 1) typecase.classify(samples[i % samples.length]);
  typecase.close();
  typecase.close();
  assert.throws(() => typecase.classify("text"), TypecaseError);
});
