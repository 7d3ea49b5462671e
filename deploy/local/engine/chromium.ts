import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { unpackPackages } from './apt.ts';
import type { BootstrapContext } from './context.ts';
import { findCommand } from './run.ts';

/** A browser for tests and screenshots, and what its process needs in its environment. */
export interface Browser {
  readonly path: string;
  readonly env: Readonly<Record<string, string>>;
}

const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'];
/** A few scripts beyond Latin, so that a screenshot shows no empty boxes. */
const PACKAGES = ['chromium', 'fonts-dejavu-core'];

/** Chromium: the one on PATH, else Debian's package, unpacked below the checkout. */
export async function ensureChromium(context: BootstrapContext): Promise<Browser> {
  for (const name of NAMES) {
    const path = findCommand(name, context.env.PATH);
    if (path !== undefined) return { path, env: {} };
  }
  const reason = 'No Chromium on PATH';
  return unpackedChromium(await unpackPackages(context, { name: 'chromium', packages: PACKAGES, reason }));
}

function unpackedChromium(folder: string): Browser {
  const libraries = ['usr/lib', 'lib']
    .map((name) => join(folder, name))
    .filter((name) => existsSync(name))
    .flatMap(foldersIn)
    .filter((path) => path.endsWith('-linux-gnu'));
  // A few libraries keep their own parts in a folder beside them.
  const parts = libraries.flatMap(foldersIn).filter(holdsLibraries);
  return {
    path: join(folder, 'usr/lib/chromium/chromium'),
    env: {
      LD_LIBRARY_PATH: [...libraries, ...parts].join(':'),
      FONTCONFIG_FILE: writeFontConfiguration(folder),
    },
  };
}

function foldersIn(path: string): string[] {
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(path, name));
}

function holdsLibraries(path: string): boolean {
  return readdirSync(path).some((name) => /\.so(\.\d+)*$/.test(name));
}

/** The packages' own configuration names folders of an installed system. */
function writeFontConfiguration(folder: string): string {
  const file = join(folder, 'fonts.conf');
  const cache = join(folder, 'font-cache');
  mkdirSync(cache, { recursive: true });
  const text = `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>${join(folder, 'usr/share/fonts')}</dir><cachedir>${cache}</cachedir></fontconfig>
`;
  writeFileSync(file, text);
  return file;
}
