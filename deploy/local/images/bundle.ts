import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { build, type Plugin } from 'esbuild';
import type { BootstrapContext } from '../engine/context.ts';

/**
 * The programs in the runtime-api image, and the sources that they are bundled from. The server is CommonJS: importing
 * `node:http` as an ES module reads every export of it, among them those that load Node's whole fetch, which costs each
 * sidecar 15 MB and 30 ms.
 */
const PROGRAMS = {
  'server.cjs': { source: 'services/runtime-api/src/main.ts', format: 'cjs' },
  'forward.mjs': { source: 'images/runtime-api/forward.ts', format: 'esm' },
} as const;

/** Packages in CommonJS form call `require` for Node.js' own modules, which an ES module does not have. */
const REQUIRE = "import { createRequire as __cr } from 'node:module'; const require = __cr(import.meta.url);";

/** Zod's messages in fifty languages are half of a bundle, and 4 MB of a process. */
const englishOnly: Plugin = {
  name: 'english-only',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, ({ path }) => ({
      contents: "export { default as en } from './en.js';",
      resolveDir: dirname(path),
    }));
  },
};

/** One bundled program: a single file without dependencies, `server.cjs` or `forward.mjs`. */
export interface Bundle {
  readonly name: string;
  readonly content: Uint8Array;
}

/** Bundles the sidecar's programs. The same sources give the same bytes. */
export function bundlePrograms(context: BootstrapContext): Promise<Bundle[]> {
  return Promise.all(
    Object.entries(PROGRAMS).map(async ([name, { source, format }]) => {
      if (!existsSync(join(context.root, source))) {
        throw new Error(`The source ${source} of the runtime-api image is missing.`);
      }
      const result = await build({
        absWorkingDir: context.root,
        entryPoints: [source],
        outfile: name,
        write: false,
        bundle: true,
        platform: 'node',
        target: 'node24',
        format,
        minify: true,
        keepNames: true,
        legalComments: 'none',
        plugins: [englishOnly],
        ...(format === 'esm' && { banner: { js: REQUIRE } }),
        logLevel: 'silent',
      });
      const [file] = result.outputFiles;
      if (file === undefined) throw new Error(`Bundling ${source} gave no file.`);
      return { name, content: file.contents };
    }),
  );
}
