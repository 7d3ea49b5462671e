import type { UserConfig } from 'vite';

export default {
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    target: 'es2023',
    // The pages are kept for ever by their hashed names; a source map is fetched only by open developer tools.
    sourcemap: true,
    // A data: address would need an exception in the content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
} satisfies UserConfig;
