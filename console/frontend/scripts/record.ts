/** Records what was built from what, and holds the build to its budget. */
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { gzipSync } from "node:zlib";
import type { Plugin } from "vite";

/** Of all scripts together, compressed: what a slow line loads once. */
export const BUDGET_BYTES = 60_000;

const HERE = join(import.meta.dirname, "..");
const SOURCES = ["index.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts", "public", "scripts", "src"];

/** Files that decide what is built, by path: tests are none of them. */
export function sources(): string[] {
  const found: string[] = [];
  const walk = (path: string) => {
    if (statSync(path).isDirectory()) for (const name of readdirSync(path)) walk(join(path, name));
    else if (!/\.test\.tsx?$/.test(path)) found.push(relative(HERE, path).split(sep).join("/"));
  };
  for (const name of SOURCES) walk(join(HERE, name));
  return found.sort();
}

/** One digest over all sources: of lines with the digest of a file, two spaces, its path. */
export function digest(): string {
  const whole = createHash("sha256");
  for (const path of sources()) {
    const own = createHash("sha256").update(readFileSync(join(HERE, path))).digest("hex");
    whole.update(`${own}  ${path}\n`);
  }
  return whole.digest("hex");
}

export function recordBuild(): Plugin {
  return {
    name: "record-build",
    apply: "build",
    enforce: "post",
    generateBundle(_, bundle) {
      let bytes = 0;
      const files: [string, number][] = [];
      for (const file of Object.values(bundle)) {
        const code = file.type === "chunk" ? file.code : file.source;
        const size = gzipSync(code).length;
        files.push([file.fileName, size]);
        if (file.type === "chunk") bytes += size;
      }
      for (const [name, size] of files.sort((a, b) => b[1] - a[1])) this.info(`${size} bytes gzipped: ${name}`);
      this.info(`${bytes} bytes of scripts, gzipped; the budget is ${BUDGET_BYTES}.`);
      if (bytes > BUDGET_BYTES) this.error(`The scripts have ${bytes} bytes, gzipped: more than ${BUDGET_BYTES}.`);
      const record = { sources: digest() };
      this.emitFile({ type: "asset", fileName: "build.json", source: `${JSON.stringify(record, null, 2)}\n` });
    },
  };
}
