import { describe, expect, it } from 'vitest';
import { checkImports, importsOf, type Manifest } from './imports.ts';

const everything = Object.fromEntries(
  [
    '@cronium/contracts',
    '@cronium/config',
    '@cronium/testing',
    '@cronium/worker',
    'dockerode',
    'pg',
    'zod',
  ].map((name) => [name, '*']),
);
const manifests = new Map<string, Manifest>([
  ['', { name: 'root', devDependencies: { vitest: '*' } }],
  ['libs/contracts', { name: '@cronium/contracts', dependencies: {} }],
  ['libs/config', { name: '@cronium/config', dependencies: everything }],
  ['libs/testing', { name: '@cronium/testing', dependencies: everything }],
  ['services/worker', { name: '@cronium/worker', dependencies: everything }],
  ['services/results', { name: '@cronium/results', dependencies: everything }],
]);

function problems(path: string, specifier: string): string[] {
  return checkImports({ path, text: `import { x } from '${specifier}';\n` }, manifests).map(
    ({ message }) => message,
  );
}

describe('the import rule', () => {
  it.each([
    ['services/worker/src/a.ts', '@cronium/config'],
    ['services/worker/src/a.ts', './b.ts'],
    ['services/worker/src/a.ts', 'dockerode'],
    ['services/results/src/a.ts', 'pg'],
    ['services/worker/src/a.test.ts', '@cronium/testing'],
    ['services/worker/src/a.test.ts', 'vitest'],
    ['libs/config/src/a.ts', '@cronium/contracts'],
    ['libs/config/src/a.test.ts', '@cronium/testing'],
    ['libs/config/src/a.ts', 'node:fs'],
    ['deploy/a.ts', '@cronium/worker'],
    ['deploy/test/a.ts', '../local/b.ts'],
  ])('lets %s import %s', (path, specifier) => expect(problems(path, specifier)).toEqual([]));

  it.each([
    [
      'services/results/src/a.ts',
      '@cronium/worker',
      'services/results may not import the service services/worker',
    ],
    ['services/results/src/a.test.ts', '@cronium/worker', 'may not import the service'],
    ['services/results/src/a.ts', '../../worker/src/b.ts', 'a relative import leaves services/results'],
    ['services/results/src/a.test.ts', '../../../deploy/b.ts', 'a relative import leaves'],
    ['services/results/src/a.ts', 'dockerode', 'dockerode may be imported by services/worker'],
    ['services/worker/src/a.ts', 'pg', 'pg may be imported by services/results'],
    ['services/worker/src/a.ts', '@cronium/testing', 'only tests may import libs/testing'],
    ['libs/contracts/src/a.ts', '@cronium/config', 'libs/contracts may import libs/contracts at most'],
    ['libs/config/src/a.ts', '@cronium/worker', 'may not import the service'],
    ['libs/contracts/src/a.ts', 'zod', 'zod is not among the dependencies of libs/contracts'],
    ['services/worker/src/a.ts', 'vitest', 'vitest is not among the dependencies of services/worker'],
  ])('does not let %s import %s', (path, specifier, message) =>
    expect(problems(path, specifier)).toEqual([expect.stringContaining(message)]),
  );

  it('finds every form of import, with its line', () => {
    const text = [
      "import a from 'a';",
      "import type {\n  B,\n} from 'b/c';",
      "export * from './d.ts';",
      "import 'e';",
      `const f = await import(${"'f'"});`,
      "  const text = ' from nowhere ';",
      "// import x from 'comment';",
    ].join('\n');
    expect(importsOf(text).map(({ specifier, line }) => `${specifier}:${line}`)).toEqual([
      'a:1',
      'b/c:4',
      './d.ts:5',
      'e:6',
      'f:7',
    ]);
  });
});
