import { describe, expect, test } from 'vitest';
import {
  backportsSource,
  distributionSources,
  formatSources,
  parseListFile,
  parseSourcesFile,
} from './apt-sources.ts';

const plain = {
  uris: ['http://mirror.example/debian'],
  suites: ['bookworm'],
  components: ['main'],
  options: {},
};
const signed = { ...plain, options: { 'Signed-By': '/usr/share/keyrings/a.gpg' } };

describe('one-line sources', () => {
  test.each([
    ['a plain line', 'deb http://mirror.example/debian bookworm main', [plain]],
    ['tabs and a comment behind', 'deb\thttp://mirror.example/debian\tbookworm  main # yes', [plain]],
    ['several components', 'deb http://a.example/d bookworm main contrib', [['main', 'contrib']]],
    [
      'an option',
      'deb [signed-by=/usr/share/keyrings/a.gpg] http://mirror.example/debian bookworm main',
      [signed],
    ],
    [
      'options that are not for fetching',
      'deb [ arch=amd64,arm64 lang=none signed-by=/usr/share/keyrings/a.gpg ] http://mirror.example/debian bookworm main',
      [signed],
    ],
    ['a source package line', 'deb-src http://mirror.example/debian bookworm main', []],
    ['a comment', '# deb http://mirror.example/debian bookworm main', []],
    ['a line that is cut off', 'deb http://mirror.example/debian', []],
    ['an empty file', '', []],
  ])('%s', (_name, text, expected) => {
    const parsed = parseListFile(text);
    if (Array.isArray(expected[0])) expect(parsed.map((source) => source.components)).toEqual(expected);
    else expect(parsed).toEqual(expected);
  });
});

describe('deb822 sources', () => {
  const stanza = 'Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\nComponents: main\n';
  test.each([
    ['one stanza', stanza, [plain]],
    ['names in any case', stanza.replace('URIs', 'uris').replace('Types', 'TYPES'), [plain]],
    ['a comment between fields', stanza.replace('URIs', '# old: http://x.example\nURIs'), [plain]],
    ['source packages too', stanza.replace('deb\n', 'deb deb-src\n'), [plain]],
    ['source packages alone', stanza.replace('deb\n', 'deb-src\n'), []],
    ['disabled', `${stanza}Enabled: no\n`, []],
    ['an explicit yes', `${stanza}Enabled: yes\n`, [plain]],
    ['a key file', `${stanza}Signed-By: /usr/share/keyrings/a.gpg\n`, [signed]],
    ['several stanzas', `${stanza}\n\n${stanza}\n`, [plain, plain]],
    ['values on lines of their own', stanza.replace('Suites: bookworm', 'Suites:\n bookworm'), [plain]],
    ['no stanza', '\n\n', []],
  ])('%s', (_name, text, expected) => {
    expect(parseSourcesFile(text)).toEqual(expected);
  });

  test('a key inside the stanza comes out as it went in', () => {
    const key = '\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mDME\n -----END PGP PUBLIC KEY BLOCK-----';
    const [source] = parseSourcesFile(`${stanza}Signed-By:${key}\n`);
    expect(source?.options['Signed-By']).toBe(key);
    expect(parseSourcesFile(formatSources(source ? [source] : []))).toEqual([source]);
  });
});

describe('choosing sources', () => {
  const all = parseListFile(
    [
      'deb http://mirror.example/debian bookworm main contrib',
      'deb http://mirror.example/debian bookworm-updates main',
      'deb http://mirror.example/security bookworm-security main',
      'deb http://mirror.example/debian bookworm-backports main',
      'deb cdrom:[Debian]/ bookworm main',
      'deb http://vendor.example/apt nodistro main',
      'deb http://vendor.example/apt bookworm stable',
    ].join('\n'),
  );

  test('the release, its updates and its security updates are taken, other vendors are not', () => {
    const suites = distributionSources(all, 'bookworm').flatMap((source) => source.suites);
    expect(suites).toEqual(['bookworm', 'bookworm-updates', 'bookworm-security']);
  });

  test('backports are at the mirror of the release', () => {
    expect(backportsSource(distributionSources(all, 'bookworm'), 'bookworm')).toEqual({
      ...plain,
      suites: ['bookworm-backports'],
    });
  });

  test('a machine that names its release by its role has backports too', () => {
    const sources = distributionSources(parseListFile('deb http://m.example/d stable main'), 'bookworm');
    expect(backportsSource(sources, 'bookworm')?.suites).toEqual(['bookworm-backports']);
  });

  test('without the release there are no backports', () => {
    expect(backportsSource([], 'bookworm')).toBeUndefined();
  });
});
