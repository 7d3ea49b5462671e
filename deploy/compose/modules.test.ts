import { expect, test } from 'vitest';
import { productionFolders } from './modules.ts';

test('what production needs: no dev packages, and nothing that comes inside another folder', () => {
  const folders = productionFolders({
    '': {},
    'libs/contracts': {},
    'node_modules/@cronium/contracts': { link: true },
    'node_modules/a': {},
    'node_modules/a/node_modules/@x/b': {},
    'node_modules/dev': { dev: true },
    'node_modules/both': { devOptional: true },
    'node_modules/dev/node_modules/c': { dev: true },
    'services/worker/node_modules/d': {},
  });
  expect(folders).toEqual([
    'node_modules/@cronium/contracts',
    'node_modules/a',
    'services/worker/node_modules/d',
  ]);
});
