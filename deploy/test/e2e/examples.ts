/** One example of a page: a job, and what it prints. */
export interface Example {
  readonly line: number;
  readonly language: 'bash' | 'python' | 'js' | 'json';
  readonly source: string;
  /** Lines of its log; `…` stands for anything within a line. */
  readonly log: string;
}

const BLOCK = /^```(\w+)(?: (job|log))?\n([\s\S]*?)^```$/gm;

/** The examples of a page: each block marked `job`, with the block marked `log` that follows it. */
export function examplesOf(page: string): Example[] {
  const blocks = [...page.matchAll(BLOCK)].map(({ index, 1: language = '', 2: kind, 3: source = '' }) => ({
    ...{ language, kind, source },
    line: page.slice(0, index).split('\n').length,
  }));
  return blocks.flatMap(({ language, kind, source, line }, at) => {
    if (kind !== 'job') return [];
    const next = blocks[at + 1];
    if (next?.kind !== 'log') throw new Error(`the example at line ${line} has no log after it`);
    if (!isLanguage(language)) throw new Error(`the example at line ${line} is in ${language}`);
    return [{ line, language, source, log: next.source }];
  });
}

function isLanguage(text: string): text is Example['language'] {
  return ['bash', 'python', 'js', 'json'].includes(text);
}

/** What a log must match, where the page has `…` for what differs from run to run. */
export function patternOf(log: string): RegExp {
  const parts = log.split('…').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('[^\\n]*')}$`);
}
