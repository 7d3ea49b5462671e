import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { build } from 'esbuild';
import type { BootstrapContext } from '../engine/context.ts';

/** The programs in the runtime-api image, and the sources that they are bundled from. */
const PROGRAMS = {
  server: 'services/runtime-api/src/main.ts',
  forward: 'images/runtime-api/forward.ts',
} as const;

/** Packages in CommonJS form call `require` for Node.js' own modules, which an ES module does not have. */
const REQUIRE = "import { createRequire as __cr } from 'node:module'; const require = __cr(import.meta.url);";

/** One bundled program: a single file without dependencies, `server.mjs` or `forward.mjs`. */
export interface Bundle {
  readonly name: string;
  readonly content: Uint8Array;
}

/** Bundles the sidecar's programs. The same sources give the same bytes. */
export async function bundlePrograms(context: BootstrapContext): Promise<Bundle[]> {
  for (const source of Object.values(PROGRAMS)) {
    if (!existsSync(join(context.root, source)))
      throw new Error(`The source ${source} of the runtime-api image is missing.`);
  }
  const result = await build({
    absWorkingDir: context.root,
    entryPoints: { ...PROGRAMS },
    outdir: 'dist',
    outExtension: { '.js': '.mjs' },
    write: false,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    minify: true,
    keepNames: true,
    legalComments: 'none',
    banner: { js: REQUIRE },
    logLevel: 'silent',
  });
  return result.outputFiles.map((file) => ({ name: basename(file.path), content: file.contents }));
}
