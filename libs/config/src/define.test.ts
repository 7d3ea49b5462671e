import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineConfig, field, optionalField } from './define.ts';
import { ConfigError } from './errors.ts';
import { list, pairs, port, text, url } from './kinds.ts';

const definition = defineConfig({
  CRONIUM_PORT: field(port, { doc: 'The port.', default: '7070' }),
  CRONIUM_DATABASE_URL: field(url('postgres'), { doc: 'The database.', example: 'postgres://host/name' }),
  CRONIUM_API_KEYS: field(pairs, { doc: 'Keys.', default: '', secret: true }),
  CRONIUM_POOLS: field(list(text), { doc: 'Pools.', default: 'default' }),
  CRONIUM_EXTRA: optionalField(z.string(), { doc: 'A | B.' }),
  CRONIUM_NODE: field(text, { doc: 'The node.', default: { text: 'the host’s name', value: () => 'asked' } }),
});

const DATABASE = { CRONIUM_DATABASE_URL: 'postgres://u:p@h/n' };

function problemsOf(env: Record<string, string>): string[] {
  try {
    definition.parse(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(({ message }) => message);
  }
  return [];
}

describe('a configuration', () => {
  it('takes defaults for what is absent or empty, and trims', () => {
    expect(definition.parse({ ...DATABASE, CRONIUM_PORT: '', CRONIUM_POOLS: ' a , b ' })).toEqual({
      CRONIUM_PORT: 7070,
      CRONIUM_DATABASE_URL: 'postgres://u:p@h/n',
      CRONIUM_API_KEYS: {},
      CRONIUM_POOLS: ['a', 'b'],
      CRONIUM_EXTRA: undefined,
      CRONIUM_NODE: 'asked',
    });
  });

  it('can not be changed afterwards', () => {
    const config = definition.parse(DATABASE);
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen(config.CRONIUM_POOLS)).toBe(true);
    expect(Object.isFrozen(config.CRONIUM_API_KEYS)).toBe(true);
  });

  it('lists all problems at once, each with its variable, its value and what to write', () => {
    const problems = problemsOf({ CRONIUM_PORT: 'many', CRONIUM_API_KEYS: 'no-equals' });
    expect(problems).toEqual([
      'CRONIUM_PORT: "many" is not right: it must be a whole number from 0 to 65535. Write for example: 7070',
      'CRONIUM_DATABASE_URL is not set. The database. Write for example: postgres://host/name',
      'CRONIUM_API_KEYS: its value (hidden) is not right: item 1 must be name=value.',
    ]);
  });

  it('never shows a secret, nor the password of a URL', () => {
    const shown = problemsOf({
      CRONIUM_API_KEYS: 'a=topsecret1,topsecret2',
      CRONIUM_DATABASE_URL: 'mysql://user:topsecret3@host/name',
    }).join('\n');
    expect(shown).toContain('mysql://user:***@host/name');
    expect(shown).not.toContain('topsecret');
  });

  it('shows the problem count and each problem in the message of the error', () => {
    expect(() => definition.parse({ CRONIUM_PORT: '70000' })).toThrow(
      /^The configuration has 2 problems:\n {2}- CRONIUM_PORT.*\n {2}- CRONIUM_DATABASE_URL/,
    );
  });

  it('warns of CRONIUM_ variables that nobody reads and names the one that was meant', () => {
    const env = { CRONIUM_PROT: '1', CRONIUM_SLOTS: '2', PATH: '/bin', CRONIUM_PORT: '3' };
    expect(definition.warnings(env, ['CRONIUM_SLOTS'])).toEqual([
      'CRONIUM_PROT is set, but nothing reads it. Did you mean CRONIUM_PORT?',
    ]);
    expect(definition.warnings(env)).toContain('CRONIUM_SLOTS is set, but nothing reads it.');
  });

  it('explains every variable in its help and its table', () => {
    for (const name of Object.keys(definition.fields)) {
      expect(definition.help()).toContain(`  ${name}  (`);
      expect(definition.markdown()).toContain(`| \`${name}\` |`);
    }
    expect(definition.help()).toContain('CRONIUM_DATABASE_URL  (required)');
    expect(definition.help()).toContain('CRONIUM_NODE  (default: the host’s name)');
    expect(definition.markdown()).toContain('| `CRONIUM_EXTRA` | none | A \\| B. |');
  });
});
