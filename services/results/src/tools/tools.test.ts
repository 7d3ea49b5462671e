import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { jobSpec, newJobId } from '@cronium/contracts';
import { SMTPServer } from 'smtp-server';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { SecretBox } from '../auth/secret-box.ts';
import { ingestAttempts } from '../ingest/attempts.ts';
import { payloadOf, updateOf } from '../test/fleet.ts';
import { bodyOf, openService, type ProblemBody, type TestService } from '../test/service.ts';
import { resealStored } from './reseal.ts';

interface Mail {
  readonly from: string;
  readonly to: string[];
  readonly content: string;
}

let service: TestService;
let mails: Mail[] = [];
let smtp: SMTPServer;
let web: Server;
/** What the web server answers, and what it was sent. */
let answer = { status: 200, body: 'ok' };
let posted: unknown[] = [];

beforeAll(async () => {
  service = await openService();
  smtp = new SMTPServer({
    disabledCommands: ['STARTTLS'],
    authOptional: true,
    onAuth: ({ username, password }, _session, done) =>
      username === 'ops' && password === 'pässwörd'
        ? done(null, { user: username })
        : done(new Error('535 wrong password')),
    onRcptTo: ({ address }, _session, done) =>
      address === 'nobody@example.com' ? done(new Error('550 no such mailbox')) : done(),
    onData: async (stream, { envelope }, done) => {
      const from = envelope.mailFrom === false ? '' : envelope.mailFrom.address;
      const to = envelope.rcptTo.map(({ address }) => address);
      mails.push({ from, to, content: await text(stream) });
      done();
    },
  });
  web = createServer(async (request, response) => {
    posted.push(JSON.parse(await text(request)));
    response.writeHead(answer.status).end(answer.body);
  });
  await Promise.all([
    once(smtp.listen(0, '127.0.0.1'), 'listening'),
    once(web.listen(0, '127.0.0.1'), 'listening'),
  ]);
});
beforeEach(() => {
  mails = [];
  posted = [];
  answer = { status: 200, body: 'ok' };
});
afterAll(async () => {
  await new Promise<void>((resolve) => smtp.close(resolve));
  web.close();
  await service[Symbol.asyncDispose]();
});

const portOf = (server: { address(): unknown }) => (server.address() as AddressInfo).port;
const store = (name: string, credential: unknown) =>
  service.send('PUT', `/v1/credentials/${name}`, credential);
const mailbox = (more = {}) => ({
  tool: 'email',
  host: '127.0.0.1',
  port: portOf(smtp.server),
  from: 'Fleet <fleet@example.com>',
  ...more,
});

/** Calls a tool as a job would; `ownCredential` is the one that a tool job's spec names. */
async function callTool(body: Record<string, unknown>, ownCredential?: string): Promise<Response> {
  const id = newJobId();
  const payload = payloadOf(id);
  const spec = ownCredential === undefined ? payload.spec : toolSpec(ownCredential);
  await ingestAttempts(service.deps.db, [
    updateOf(id, 1, { payload: { ...payload, spec }, state: 'running' }),
  ]);
  const auth = await service.fleet.executionAuth(id);
  return service.send('POST', '/runtime/v1/tool-actions/execute', body, auth);
}

const toolSpec = (credential: string) =>
  jobSpec.parse({ type: 'tool', tool: { tool: 'email', action: 'send-message', credential } });
const message = (to: string, more = {}) => ({
  tool: 'email',
  action: 'send-message',
  config: { to, subject: 'Grüße', text: 'Zeile\nzwei', ...more },
});

test('an email arrives at the mail server, with the credential of the tool, of the call or of the job', async () => {
  await store('email', mailbox());
  await store('office', mailbox({ user: 'ops', password: 'pässwörd', from: 'ops@example.com' }));
  const sent = await callTool(message('a@example.com'));
  expect((await bodyOf<{ data: unknown }>(sent)).data).toMatchObject({ accepted: ['a@example.com'] });
  expect((await callTool(message('b@example.com', { credential: 'office' }))).status).toBe(200);
  expect((await callTool(message('c@example.com'), 'office')).status).toBe(200);
  expect(mails.map(({ from, to }) => [from, ...to])).toEqual([
    ['fleet@example.com', 'a@example.com'],
    ['ops@example.com', 'b@example.com'],
    ['ops@example.com', 'c@example.com'],
  ]);
  expect(mails[0]?.content).toMatch(/^Subject: =\?UTF-8\?/m);
});

test.each([
  ['a mailbox that is not there', message('nobody@example.com'), {}, /550 no such mailbox/],
  ['a wrong password', message('a@example.com'), { user: 'ops', password: 'x' }, /535|Invalid login/],
  ['no server', message('a@example.com'), { port: 1 }, /ECONNREFUSED/],
])('what fails at the mail server is 502 and says what: %s', async (_, call, more, wanted) => {
  await store('faulty', mailbox(more));
  const failed = await callTool({ ...call, config: { ...call.config, credential: 'faulty' } });
  expect([failed.status, (await bodyOf<ProblemBody>(failed)).detail]).toEqual([
    502,
    expect.stringMatching(wanted),
  ]);
});

test.each([
  ['a missing credential', { ...message('a@b.c'), config: { to: 'a@b.c', credential: 'none' } }, 404],
  [
    'a credential of another tool',
    { tool: 'slack', action: 'send', config: { text: 'x', credential: 'email' } },
    409,
  ],
  ['an unknown action', { ...message('a@b.c'), action: 'fly' }, 400],
  ['an unknown field', message('a@b.c', { attachments: [{ path: '/etc/passwd' }] }), 400],
  ['no recipient', message(''), 400],
])('what is wrong with the call is the caller’s: %s', async (_, call, status) => {
  await store('email', mailbox());
  expect((await callTool(call)).status).toBe(status);
  expect(mails).toEqual([]);
});

test.each([
  ['slack', { text: 'hi', blocks: [] }, { text: 'hi', blocks: [] }],
  ['discord', { content: 'hi' }, { content: 'hi' }],
  ['discord', { text: 'hi' }, { content: 'hi' }],
])(
  '%s gets the message at its webhook; what it refuses is 502 with its answer',
  async (tool, config, wanted) => {
    await store(tool, { tool, webhookUrl: `http://127.0.0.1:${portOf(web)}/hook` });
    const call = () => callTool({ tool, action: 'send-message', config });
    expect((await call()).status).toBe(200);
    expect(posted).toEqual([wanted]);
    answer = { status: 429, body: 'slow down' };
    const failed = await call();
    expect([failed.status, (await bodyOf<ProblemBody>(failed)).detail]).toEqual([
      502,
      expect.stringContaining('429: slow down'),
    ]);
  },
);

test.each([
  ['webhookUrl', { tool: 'slack', webhookUrl: 'ftp://example.com' }],
  ['webhookUrl', { tool: 'discord' }],
  ['port', mailboxWith({ port: 0 })],
  ['host', mailboxWith({ host: '' })],
  ['from', mailboxWith({ from: 'not an address' })],
  ['password', mailboxWith({ user: 'ops' })],
  ['user', mailboxWith({ password: 'x' })],
  ['tool', { tool: 'fax' }],
  ['token', { tool: 'slack', webhookUrl: 'https://example.com', token: 'x' }],
])('a malformed credential is refused with the name of its field: %s', async (field, credential) => {
  const refused = await store('odd', credential);
  expect(refused.status).toBe(400);
  expect(JSON.stringify((await bodyOf<ProblemBody>(refused)).errors)).toContain(field);
});

function mailboxWith(more: Record<string, unknown>) {
  return { tool: 'email', host: 'mail.example.com', port: 25, from: 'a@example.com', ...more };
}

test('keys are rotated by their id: the old one opens, the new one seals, and then the old one can go', async () => {
  await using own = await openService();
  const { db, log } = own.deps;
  const key = (id: string, fill: number) => ({ id, key: Buffer.alloc(32, fill) });
  for (const name of ['A', 'B']) await own.send('PUT', `/v1/secrets/${name}`, { value: `value of ${name}` });
  const sealed = () => db.selectFrom('sealed').select(['name', 'key_id']).orderBy('name').execute();
  const rotated = new SecretBox([key('k2', 9), key('k1', 7)]);
  expect(await resealStored(db, { box: rotated, log })).toBe(2);
  expect(await sealed()).toEqual([
    { name: 'A', key_id: 'k2' },
    { name: 'B', key_id: 'k2' },
  ]);
  expect(await resealStored(db, { box: rotated, log })).toBe(0);
  // A key that opens nothing leaves everything as it is.
  expect(await resealStored(db, { box: new SecretBox([key('k3', 5)]), log })).toBe(0);
  expect((await sealed()).map(({ key_id }) => key_id)).toEqual(['k2', 'k2']);
  expect(await resealStored(db, { box: new SecretBox([key('k4', 1), key('k2', 9)]), log })).toBe(2);
});
