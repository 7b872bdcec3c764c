import { defineConfig } from "vite";
import { mock } from "./dev/mock.ts";
import { recordBuild } from "./scripts/record.ts";

const ASSETS = "assets/[name]-[hash]";

export default defineConfig({
  plugins: [mock(), recordBuild()],
  build: {
    outDir: "../../src/outlive/console/static",
    emptyOutDir: true,
    target: "es2022",
    sourcemap: false,
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rollupOptions: {
      output: {
        entryFileNames: `${ASSETS}.js`,
        chunkFileNames: `${ASSETS}.js`,
        assetFileNames: `${ASSETS}[extname]`,
      },
    },
  },
  server: { host: "127.0.0.1", port: 5173 },
});
