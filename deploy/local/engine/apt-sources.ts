/**
 * The machine's own apt sources, read so that packages come from the mirror that the machine uses. Both forms of
 * sources.list(5) are understood: one line a source, and deb822 stanzas.
 */

/** One place that packages come from. */
export interface AptSource {
  readonly uris: readonly string[];
  readonly suites: readonly string[];
  readonly components: readonly string[];
  /** Options that matter for fetching, by their deb822 names (`Signed-By`, `Trusted`, `Check-Date`). */
  readonly options: Readonly<Record<string, string>>;
}

/** Options of the one-line form and their deb822 names. Others choose languages or indexes and are left out. */
const OPTION_NAMES: Readonly<Record<string, string>> = {
  'signed-by': 'Signed-By',
  trusted: 'Trusted',
  'check-date': 'Check-Date',
  'check-valid-until': 'Check-Valid-Until',
  'allow-insecure': 'Allow-Insecure',
};

/** Reads the one-line form: `deb [option=value …] uri suite component …`. Lines for source packages are left out. */
export function parseListFile(text: string): AptSource[] {
  return text
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim())
    .flatMap((line) => {
      const match = /^deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)(?:\s+(.*))?$/.exec(line);
      if (!match?.[2] || !match[3]) return [];
      return [
        {
          uris: [match[2]],
          suites: [match[3]],
          components: words(match[4]),
          options: lineOptions(match[1] ?? ''),
        },
      ];
    });
}

function lineOptions(text: string): Record<string, string> {
  const options: Record<string, string> = {};
  for (const option of words(text)) {
    const [key = '', value = ''] = option.split(/[+-]?=/);
    const name = OPTION_NAMES[key.toLowerCase()];
    if (name !== undefined) options[name] = value.replaceAll(',', ' ');
  }
  return options;
}

/** Reads deb822 stanzas. Disabled ones and those for source packages alone are left out. */
export function parseSourcesFile(text: string): AptSource[] {
  const withoutComments = text.replace(/^#.*\n?/gm, '');
  return withoutComments.split(/\n[ \t]*\n/).flatMap((stanza) => {
    const fields = stanzaFields(stanza);
    const types = words(fields.get('types'));
    if (!types.includes('deb') || /^(no|false|0|off)$/i.test(fields.get('enabled') ?? 'yes')) return [];
    const options: Record<string, string> = {};
    for (const [key, name] of Object.entries(OPTION_NAMES)) {
      const value = fields.get(key);
      if (value !== undefined) options[name] = value;
    }
    return [
      {
        uris: words(fields.get('uris')),
        suites: words(fields.get('suites')),
        components: words(fields.get('components')),
        options,
      },
    ];
  });
}

/** Field names in lower case; a value's continuation lines are kept as they are, for a key block in `Signed-By`. */
function stanzaFields(stanza: string): Map<string, string> {
  const fields = new Map<string, string>();
  let last = '';
  for (const line of stanza.split('\n')) {
    if (/^[ \t]/.test(line) && last !== '') {
      fields.set(last, `${fields.get(last)}\n${line}`);
      continue;
    }
    const colon = line.indexOf(':');
    if (colon < 0) continue;
    last = line.slice(0, colon).trim().toLowerCase();
    fields.set(last, line.slice(colon + 1).trim());
  }
  return fields;
}

/**
 * The distribution's own sources among all: a release, its updates and its security updates. Other vendors' packages
 * have no place in an image.
 */
export function distributionSources(sources: readonly AptSource[], codename: string): AptSource[] {
  const releases = releaseNames(codename);
  const wanted = releases.flatMap((name) => [name, `${name}-updates`, `${name}-security`, `${name}/updates`]);
  return sources.flatMap((source) => {
    const suites = source.suites.filter((suite) => wanted.includes(suite));
    const uris = source.uris.filter((uri) => !uri.startsWith('cdrom:'));
    const usable = suites.length > 0 && uris.length > 0 && source.components.includes('main');
    return usable ? [{ ...source, uris, suites }] : [];
  });
}

/** Where the release's backports are: beside the release itself, at the same mirror, under the same key. */
export function backportsSource(sources: readonly AptSource[], codename: string): AptSource | undefined {
  const release = sources.find((source) =>
    source.suites.some((suite) => releaseNames(codename).includes(suite)),
  );
  if (release === undefined) return undefined;
  return { ...release, suites: [`${codename}-backports`], components: ['main'] };
}

/** Sources may name a release by its codename or by its role. */
function releaseNames(codename: string): string[] {
  return [codename, 'stable', 'oldstable', 'testing'];
}

/** Writes sources as deb822, the form that can hold everything. */
export function formatSources(sources: readonly AptSource[]): string {
  return sources
    .map((source) =>
      [
        'Types: deb',
        `URIs: ${source.uris.join(' ')}`,
        `Suites: ${source.suites.join(' ')}`,
        ...(source.components.length > 0 ? [`Components: ${source.components.join(' ')}`] : []),
        ...Object.entries(source.options).map(([name, value]) => `${name}: ${value}`),
        '',
      ].join('\n'),
    )
    .join('\n');
}

function words(text: string | undefined): string[] {
  return (text ?? '').split(/\s+/).filter((word) => word !== '');
}
