import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { textsIn } from './texts.ts';

test('each file counts once, whatever links to it; folders do not', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cronium-texts-'));
  try {
    writeFileSync(join(folder, 'GPL-3'), 'three');
    writeFileSync(join(folder, 'BSD'), 'bsd');
    symlinkSync('GPL-3', join(folder, 'GPL'));
    mkdirSync(join(folder, 'more'));
    expect(textsIn(folder)).toEqual([
      { name: 'BSD', text: 'bsd' },
      { name: 'GPL-3', text: 'three' },
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
