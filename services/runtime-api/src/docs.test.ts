import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { AppDeps } from './app.ts';
import { executionRoutes } from './executions.ts';
import type { PassOn } from './pass-on.ts';
import { variableRoutes } from './variables.ts';

const PAGE = readFileSync(new URL('../../../docs/runtime.md', import.meta.url), 'utf8');
const OPEN = ['GET /health', 'GET /metrics'];

test('docs/runtime.md has every endpoint, and no other', () => {
  const passOn: PassOn = () => Promise.reject(new Error('nothing is called'));
  const routes = [...executionRoutes({} as AppDeps, passOn), ...variableRoutes(passOn)];
  const written = routes.map(
    ({ method, pattern }) => `${method} ${pattern.replaceAll(/[:*](\w+)/g, '{$1}')}`,
  );
  const described = [...PAGE.matchAll(/^\| `([A-Z]+ \/[^`]+)` \|/gm)].map(([, endpoint]) => endpoint);
  expect(described.toSorted()).toEqual([...OPEN, ...written].toSorted());
});
