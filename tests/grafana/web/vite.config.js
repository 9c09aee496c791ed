import { defineConfig } from "vite";

export default defineConfig({
  base: "./",
  define: { "process.env": {}, "process.platform": '"browser"', global: "globalThis" },
  esbuild: { jsx: "automatic" },
  build: { chunkSizeWarningLimit: 20000, sourcemap: false },
  logLevel: "warn",
});
