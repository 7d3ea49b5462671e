const CONTROL = /\p{Cc}|[\u202a-\u202e\u2066-\u2069]/gu;

/**
 * Makes text from jobs safe to show: control characters, which could move the cursor, change the title or turn the
 * reading direction, become visible ones.
 */
export function plain(text: string): string {
  return text.replace(CONTROL, visible);
}

/** The symbol for a control character (U+2400 and on); those without one become U+FFFD. */
function visible(character: string): string {
  const code = character.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return code === 0x7f ? '\u2421' : '\ufffd';
}

const ESCAPE = String.fromCharCode(0x1b);
/** A colour (SGR) is harmless; so are tab, line feed and carriage return. */
const LOG_CONTROL = new RegExp(`${ESCAPE}\\[[0-9;:]*m|\\p{Cc}|[\\u202a-\\u202e\\u2066-\\u2069]`, 'gu');

/** A job's output for a terminal: colours and line ends as they are, everything else that controls it made visible. */
export function plainLog(text: string): string {
  return text.replace(LOG_CONTROL, (found) =>
    found.length > 1 || '\t\n\r'.includes(found) ? found : visible(found),
  );
}
