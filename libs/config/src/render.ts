import type { Field, Fields } from './define.ts';

const WIDTH = 100;
const INDENT = '      ';

/** Every variable with its default and meaning, in the order of the definition. */
export function renderHelp(fields: Fields): string {
  return Object.entries(fields)
    .map(([name, one]) => `  ${name}  (${defaultOf(one)})\n${wrap(one.doc)}`)
    .join('\n');
}

/** The same as a Markdown table. */
export function renderMarkdown(fields: Fields): string {
  const rows = Object.entries(fields).map(([name, one]) => {
    const cells = [`\`${name}\``, markdownDefault(one), one.doc].map((cell) => cell.replaceAll('|', '\\|'));
    return `| ${cells.join(' | ')} |`;
  });
  return ['| variable | default | meaning |', '|---|---|---|', ...rows].join('\n');
}

function defaultOf(one: Field<unknown>): string {
  if (one.optional) return 'optional';
  if (one.default === undefined) return 'required';
  return `default: ${typeof one.default === 'object' ? one.default.text : one.default || 'empty'}`;
}

function markdownDefault(one: Field<unknown>): string {
  if (one.optional) return 'none';
  if (one.default === undefined) return '**required**';
  if (typeof one.default === 'object') return one.default.text;
  return one.default === '' ? 'empty' : `\`${one.default}\``;
}

function wrap(text: string): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && INDENT.length + line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].map((one) => INDENT + one).join('\n');
}
