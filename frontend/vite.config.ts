import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

const BASE = "/v3-trader/";
const TRADER = "http://127.0.0.1:8005";

/** The trader serves the console with and without the last slash; so does the development server. */
const withoutSlash: Plugin = {
  name: "without-slash",
  configureServer(server) {
    server.middlewares.use((request, response, next) => {
      if (request.url !== BASE.slice(0, -1)) return next();
      response.writeHead(302, { Location: BASE }).end();
    });
  },
};

export default defineConfig({
  base: BASE,
  plugins: [react(), withoutSlash],
  server: {
    host: "127.0.0.1",
    port: 5173,
    strictPort: true,
    // The trader checks Host and Origin against its own address, so the proxy presents both as its own.
    proxy: { "/v3/": { target: TRADER, ws: true, changeOrigin: true, rewriteWsOrigin: true } },
  },
  build: {
    outDir: "../traderv3/console/static",
    emptyOutDir: true,
    // Firefox 120, Chrome 123, Safari 17.5: the first with CSS light-dark(), which carries both themes.
    target: ["firefox120", "chrome123", "safari17.5"],
    // The content security policy allows no data: fonts or scripts; keep every asset a file.
    assetsInlineLimit: 0,
  },
  test: {
    environment: "happy-dom",
    include: ["src/**/*.test.{ts,tsx}"],
    restoreMocks: true,
  },
});
