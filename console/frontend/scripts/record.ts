/** Records what was built from what, and holds the build to its budget. */
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { gzipSync } from "node:zlib";
import type { Plugin } from "vite";

/** Of scripts that a page takes, compressed, on the first visit: a third of a second at 1.5 Mbit/s. */
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
      const chunks = new Map<string, Chunk>();
      for (const file of Object.values(bundle)) {
        if (file.type !== "chunk") continue;
        const { imports, dynamicImports, isEntry } = file;
        chunks.set(file.fileName, { bytes: gzipSync(file.code).length, imports, dynamicImports, isEntry });
      }
      const pages = weights(chunks);
      for (const { name, bytes } of pages) this.info(`${bytes} bytes, gzipped, to open ${name}`);
      const all = [...chunks.values()].reduce((sum, chunk) => sum + chunk.bytes, 0);
      this.info(`${all} bytes of scripts in all, gzipped; a page may have ${BUDGET_BYTES}.`);
      const heaviest = pages[0];
      if (heaviest && heaviest.bytes > BUDGET_BYTES) {
        this.error(`To open ${heaviest.name} takes ${heaviest.bytes} bytes of scripts, gzipped: more than ${BUDGET_BYTES}.`);
      }
      const record = { sources: digest() };
      this.emitFile({ type: "asset", fileName: "build.json", source: `${JSON.stringify(record, null, 2)}\n` });
    },
  };
}

interface Chunk {
  bytes: number;
  imports: readonly string[];
  dynamicImports: readonly string[];
  isEntry: boolean;
}

/** What each page takes that is opened first: the frame, itself, and all that it may load; the heaviest first. */
function weights(chunks: Map<string, Chunk>): { name: string; bytes: number }[] {
  const entry = [...chunks].find(([, chunk]) => chunk.isEntry);
  if (!entry) return [];
  const reach = (from: string, found: Set<string>, isDeep: boolean) => {
    const chunk = chunks.get(from);
    if (!chunk || found.has(from)) return;
    found.add(from);
    for (const next of [...chunk.imports, ...(isDeep ? chunk.dynamicImports : [])]) reach(next, found, isDeep);
  };
  return entry[1].dynamicImports
    .map((name) => {
      const found = new Set<string>();
      reach(entry[0], found, false);
      reach(name, found, true);
      return { name, bytes: [...found].reduce((sum, one) => sum + (chunks.get(one)?.bytes ?? 0), 0) };
    })
    .sort((a, b) => b.bytes - a.bytes);
}
