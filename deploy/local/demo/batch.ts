import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JobInput } from '@cronium/contracts';
import { IMAGE_TAGS } from '../bootstrap.ts';
import type { Text } from './texts.ts';

/** The three languages, and the file with the same program in each. */
const COUNTERS = { bash: 'count.sh', python: 'count.py', node: 'count.mjs' } as const;
export type Language = keyof typeof COUNTERS;
export const LANGUAGES = Object.keys(COUNTERS) as Language[];

/** What makes a job one of the demo's, and how its answer is found again. */
const DEMO_LABEL = 'demo';

/** The name of the job that counts a text in one language. */
export const countName = (text: string, language: Language): string => `${text} in ${language}`;

/** The jobs that count words: every text in every language. */
export function countingJobs(texts: readonly Text[]): JobInput[] {
  return texts.flatMap(({ name, text }) =>
    LANGUAGES.map(
      (language): JobInput => ({
        type: 'script',
        name: countName(name, language),
        script: {
          language,
          source: readFileSync(join(import.meta.dirname, 'scripts', COUNTERS[language]), 'utf8'),
        },
        input: { name, text },
        timeoutSeconds: 60,
        resources: { memoryMiB: 128 },
        labels: { [DEMO_LABEL]: 'count', language },
      }),
    ),
  );
}

/** Requests to the demo's web server, through the egress proxy, which allows exactly that address. */
export function httpJobs(server: { readonly host: string; readonly port: number }): JobInput[] {
  const address = `${server.host}:${server.port}`;
  const base = {
    type: 'http' as const,
    timeoutSeconds: 30,
    egress: { allow: [address] },
    labels: { [DEMO_LABEL]: 'http' },
  };
  return [
    { ...base, name: 'GET a page', http: { url: `http://${address}/hello` } },
    { ...base, name: 'POST a body', http: { method: 'POST', url: `http://${address}/echo`, body: 'ping' } },
    { ...base, name: 'expect a 404', http: { url: `http://${address}/nowhere`, expectStatus: [404] } },
  ];
}

/** A program of an image, as it is. */
export function containerJobs(): JobInput[] {
  const program = 'import platform; print("Python", platform.python_version(), "in a container of its own")';
  return [
    {
      type: 'container',
      name: 'a program of an image',
      image: IMAGE_TAGS.jobPython,
      command: ['python3'],
      args: ['-c', program],
      timeoutSeconds: 60,
      resources: { memoryMiB: 128 },
      labels: { [DEMO_LABEL]: 'container' },
    },
  ];
}

/** The name of the credential with which the demo's tool job posts. */
export const DEMO_CREDENTIAL = 'demo-chat';

/** A message to a chat whose webhook the demo's web server stands for. */
export function toolJobs(): JobInput[] {
  return [
    {
      type: 'tool',
      name: 'a message to a chat',
      tool: {
        tool: 'slack',
        action: 'send-message',
        params: { text: 'Hello from a job.' },
        credential: DEMO_CREDENTIAL,
      },
      timeoutSeconds: 60,
      labels: { [DEMO_LABEL]: 'tool' },
    },
  ];
}
